//! Canonical ids: traces and spans numbered in order of appearance, and every mention of them renamed alike.
//!
//! The parser and the normal form both end with this, so that an observation read from text equals the normal form.

use std::collections::{HashMap, HashSet};

use super::text::{Piece, pieces};
use crate::{ContextFormat, Observation, SpanId, TraceId};

/// Gives traces and spans their canonical ids, by the order of the spans and then of the other evidence.
///
/// Ids of all zero stay. Ids in header values and log lines are renamed with them.
pub fn canonical_ids(observation: &mut Observation) {
    let known = decimals(observation);
    let mut renamer = Renamer::default();
    visit(observation, &known, &mut renamer);
}

/// The span ids that decimal numbers in texts are compared with.
pub(super) fn decimals(observation: &Observation) -> HashSet<SpanId> {
    let spans = observation.spans.iter();
    let mut known: HashSet<SpanId> =
        spans.flat_map(|span| [Some(span.span_id), span.parent_span_id]).flatten().collect();
    known.extend(observation.requests.iter().filter_map(|request| Some(request.context?.span_id)));
    known.extend(
        observation.wire.iter().filter_map(|tap| Some(tap.context_in(ContextFormat::GcpTrace)?.span_id)),
    );
    known.retain(|id| id.to_u64() > 9_999);
    known
}

/// Gives new ids to old ones, in the order it first meets them.
#[derive(Debug, Default)]
struct Renamer {
    traces: HashMap<TraceId, TraceId>,
    spans: HashMap<SpanId, SpanId>,
}

impl Renamer {
    fn trace(&mut self, id: &mut TraceId) {
        if id.is_valid() {
            let number = self.traces.len() as u64 + 1;
            *id = *self.traces.entry(*id).or_insert_with(|| trace_id(number));
        }
    }

    fn span(&mut self, id: &mut SpanId) {
        if id.is_valid() {
            let number = self.spans.len() as u64 + 1;
            *id = *self.spans.entry(*id).or_insert_with(|| span_id(number));
        }
    }

    fn text(&mut self, text: &mut String, known: &HashSet<SpanId>) {
        let mut pieces = pieces(text, known);
        if let [Piece::Literal(_)] | [] = pieces.as_slice() {
            return;
        }
        for piece in &mut pieces {
            match piece {
                Piece::Trace(id, _) => self.trace(id),
                Piece::Span(id, _) => self.span(id),
                Piece::Literal(_) => {}
            }
        }
        *text = pieces.iter().map(Piece::raw).collect();
    }
}

fn visit(observation: &mut Observation, known: &HashSet<SpanId>, renamer: &mut Renamer) {
    for span in &mut observation.spans {
        renamer.trace(&mut span.trace_id);
        renamer.span(&mut span.span_id);
    }
    for span in &mut observation.spans {
        span.parent_span_id.iter_mut().for_each(|id| renamer.span(id));
        for link in &mut span.links {
            renamer.trace(&mut link.trace_id);
            renamer.span(&mut link.span_id);
        }
    }
    for request in &mut observation.requests {
        renamer.trace(&mut request.trace_id);
        renamer.span(&mut request.span_id);
        if let Some(context) = &mut request.context {
            renamer.trace(&mut context.trace_id);
            renamer.span(&mut context.span_id);
        }
    }
    for tap in &mut observation.wire {
        if let Some(context) = &mut tap.announced {
            renamer.trace(&mut context.trace_id);
            renamer.span(&mut context.span_id);
        }
        let headers =
            tap.request_headers.iter_mut().chain(&mut tap.response_headers).chain(&mut tap.trailers);
        headers.for_each(|header| renamer.text(&mut header.value, known));
    }
    for export in &mut observation.exports {
        export.headers.iter_mut().for_each(|header| renamer.text(&mut header.value, known));
        for (trace, span) in &mut export.carries {
            renamer.trace(trace);
            renamer.span(span);
        }
    }
    observation.logs.iter_mut().for_each(|record| renamer.text(&mut record.line, known));
    for defect in &mut observation.defects {
        defect.trace_id.iter_mut().for_each(|id| renamer.trace(id));
        defect.span_id.iter_mut().for_each(|id| renamer.span(id));
    }
}

/// The canonical id of the n-th trace: letters and digits like those of real ids, the same in every run.
pub(super) fn trace_id(number: u64) -> TraceId {
    let high = mixed(number << 32 | 1).to_be_bytes();
    let low = mixed(number << 32 | 2).to_be_bytes();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high);
    bytes[8..].copy_from_slice(&low);
    TraceId(bytes)
}

/// The canonical id of the n-th span. It has letters among its digits, and 19 or 20 decimal ones, so that neither form is
/// taken for the other or for a number.
pub(super) fn span_id(number: u64) -> SpanId {
    let id = mixed(number) | 1 << 63;
    SpanId::from_u64(id & !0x0000_0000_0000_000f | 0x0000_0000_0000_000a)
}

/// A well-spread number for every number (the finalizer of the splitmix64 generator).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
