//! What is written down of a payload whose bytes hold a secret: what was decoded of it, in place of the bytes.
//!
//! `collect` makes it when a recording is written and reads it back into its store, which then gives the same spans and
//! defects as with the bytes. Of a payload without a secret the bytes themselves are recorded, because nothing proves more.

use serde::{Deserialize, Serialize};
use spanwise_model::{Defect, Protocol, Span, SpanId, TraceId, secret};

use crate::span::{Part, carrier_part, span_part};
use crate::walk::walk;
use crate::{Carrier, Decoded, Message, defect_within};

/// A payload without its bytes. No text in it holds a secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cleaned {
    /// How many bytes there were.
    pub bytes: u64,
    /// As [`crate::Walk::project`].
    pub project: Option<String>,
    /// As [`crate::Walk::defects`].
    pub defects: Vec<Defect>,
    /// As [`crate::Walk::damaged_spans`].
    pub damaged_spans: u32,
    /// What encloses its spans, as [`crate::Walk::scopes`].
    pub carriers: Vec<CleanedCarrier>,
    /// Its spans, as [`crate::Walk::spans`].
    pub spans: Vec<CleanedSpan>,
}

/// What encloses spans, with what could not be read of it; places are within the payload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CleanedCarrier {
    /// Resource and scope.
    pub carrier: Carrier,
    /// What could not be read.
    pub defects: Vec<Defect>,
}

/// One span, with what could not be read of it; places are within the payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CleanedSpan {
    /// As [`crate::walk::SpanPlace::trace_id`].
    pub trace_id: TraceId,
    /// As [`crate::walk::SpanPlace::span_id`].
    pub span_id: SpanId,
    /// What encloses it, as an index into [`Cleaned::carriers`].
    pub scope: u32,
    /// The span without resource and scope; `None` where it could not be read.
    pub span: Option<Span>,
    /// What could not be read.
    pub defects: Vec<Defect>,
}

/// A payload as it may be written down in place of its bytes; `None` where these hold no secret and may be written.
pub fn cleaned(protocol: Protocol, message: Message, payload: &[u8]) -> Option<Cleaned> {
    if !secret::may_be_in(payload) {
        return None;
    }
    let walk = walk(protocol, message, payload);
    // Bytes that no field is made of may hold one, too.
    let mut holds_secret = secret::is_in(payload);
    let mut part = |path: String, found: &mut Vec<Defect>, held_secret: bool| {
        holds_secret |= held_secret;
        found.iter_mut().for_each(|defect| *defect = defect_within(&path, defect.clone()));
    };
    let mut carriers = Vec::new();
    for scope in &walk.scopes {
        let Part { value: carrier, mut defects, held_secret } = carrier_part(protocol, payload, scope);
        part(scope.path(), &mut defects, held_secret);
        carriers.push(CleanedCarrier { carrier, defects });
    }
    let mut spans = Vec::new();
    for (at, place) in walk.spans.iter().enumerate() {
        let Part { value: span, mut defects, held_secret } = span_part(protocol, place.bytes(payload));
        part(walk.path(protocol, at), &mut defects, held_secret);
        let (trace_id, span_id, scope) = (place.trace_id, place.span_id, place.scope);
        spans.push(CleanedSpan { trace_id, span_id, scope, span, defects });
    }
    let bytes = payload.len() as u64;
    let (project, defects, damaged_spans) = (walk.project, walk.defects, walk.damaged_spans);
    holds_secret.then_some(Cleaned { bytes, project, defects, damaged_spans, carriers, spans })
}

impl Cleaned {
    /// What encloses a span, with what could not be read of it.
    pub fn carrier(&self, scope: u32) -> Option<&CleanedCarrier> {
        self.carriers.get(scope as usize)
    }

    /// A span with what encloses it; `None` where it could not be read.
    pub fn span(&self, at: usize) -> Option<Span> {
        let CleanedSpan { scope, span, .. } = self.spans.get(at)?;
        let carrier = self.carrier(*scope).map(|one| one.carrier.clone()).unwrap_or_default();
        span.clone().map(|span| carrier.around(span))
    }

    /// What [`crate::decode_payload`] gave.
    pub fn decoded(&self) -> Decoded {
        let carriers = self.carriers.iter().flat_map(|one| &one.defects);
        let spans = self.spans.iter().flat_map(|one| &one.defects);
        Decoded {
            spans: (0..self.spans.len()).filter_map(|at| self.span(at)).collect(),
            defects: carriers.chain(spans).chain(&self.defects).cloned().collect(),
            project: self.project.clone(),
        }
    }
}
