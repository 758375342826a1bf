//! Whom the platform's front end announced its own spans in place of: what ties a service's span to its caller where the front
//! end's span is kept by the platform.
//!
//! Trees and the form in which platforms are compared ask it. It knows headers alone, and looks at no span.

use std::collections::HashMap;

use crate::{SpanId, TraceContext, TraceId, WireTap};

/// The spans that the front end announced, and the caller's context that each stands for.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// `None` where the request carried no context of that trace, or exchanges say different things.
    callers: HashMap<(TraceId, SpanId), Option<TraceContext>>,
}

impl Announced {
    /// Reads the exchanges of an observation.
    pub fn of(wire: &[WireTap]) -> Announced {
        let mut callers = HashMap::new();
        for tap in wire {
            let Some(announced) = tap.announced else { continue };
            // The front end goes on in the trace of the header that it read; another one is none of its business.
            let caller = tap.contexts().find(|context| context.trace_id == announced.trace_id);
            let known = callers.entry((announced.trace_id, announced.span_id)).or_insert(caller);
            if known.map(|known| known.span_id) != caller.map(|caller| caller.span_id) {
                *known = None;
            }
        }
        Announced { callers }
    }

    /// Whether it announced none.
    pub fn is_empty(&self) -> bool {
        self.callers.is_empty()
    }

    /// Whether the front end announced this span.
    pub fn contains(&self, trace: TraceId, span: SpanId) -> bool {
        self.callers.contains_key(&(trace, span))
    }

    /// The context that a request carried when this span was announced in place of the caller's.
    pub fn context(&self, trace: TraceId, span: SpanId) -> Option<TraceContext> {
        self.callers.get(&(trace, span)).copied().flatten()
    }

    /// The caller's span in whose place this one was announced.
    pub fn caller(&self, trace: TraceId, span: SpanId) -> Option<SpanId> {
        self.context(trace, span).map(|context| context.span_id)
    }
}
