//! Trees without the platform's front end: as they would be if its spans had never stood between the services.
//!
//! The agreeing form asks, so that a run on the platform is compared with one that has none, and whoever takes a trace out of its
//! observation, exchanges and all. Labels stay as they are.

use std::collections::{HashMap, HashSet};

use spanwise_model::notation::Announced;
use spanwise_model::{Span, SpanId, TraceId, WireTap};

/// So many spans of front ends may stand above one another.
const DEEPEST: usize = 8;

/// Takes the front end's spans out, and hangs what is below one of them, or below one that it announced in an exchange and kept,
/// below the caller that it stands for. Where it began the trace there is none, and the span becomes a root.
pub fn fold_front_end(spans: &mut Vec<Span>, wire: &[WireTap]) {
    let announced = Announced::of(wire);
    let front_ends = spans.iter().filter(|span| span.is_front_end());
    let stored: HashMap<(TraceId, SpanId), Option<SpanId>> =
        front_ends.map(|span| ((span.trace_id, span.span_id), span.parent_span_id)).collect();
    spans.retain(|span| !span.is_front_end());
    let services: HashSet<(TraceId, SpanId)> =
        spans.iter().map(|span| (span.trace_id, span.span_id)).collect();
    for span in spans {
        for _ in 0..DEEPEST {
            let Some(parent) = span.parent_span_id else { break };
            let ids = (span.trace_id, parent);
            span.parent_span_id = match stored.get(&ids) {
                _ if services.contains(&ids) => break,
                Some(above) => *above,
                None if announced.contains(ids.0, ids.1) => announced.caller(ids.0, ids.1),
                None => break,
            };
        }
    }
}
