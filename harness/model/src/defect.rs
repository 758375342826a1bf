//! What was wrong with received bytes.

use serde::{Deserialize, Serialize};

use crate::Source;

/// Bytes that did not decode, and what was kept all the same. Broken telemetry is data: the rule
/// `malformed-telemetry` speaks of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defect {
    /// What kind of damage.
    pub kind: DefectKind,
    /// Who sent it, where known.
    pub source: Option<Source>,
    /// The export request, as an index into [`crate::Observation::exports`].
    pub export: Option<usize>,
    /// Where in the payload, in words: `resource_spans[0].scope_spans[1].spans[3].kind`, or `line 7`.
    pub place: String,
    /// What was found, in words: a lower-case fragment.
    pub detail: String,
    /// The trace that the damaged span belongs to, where its id could still be read.
    pub trace_id: Option<crate::TraceId>,
    /// The damaged span, where its id could still be read.
    pub span_id: Option<crate::SpanId>,
}

/// What kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefectKind {
    /// A payload, or the rest of one from some place on, could not be read at all.
    Payload,
    /// A span could not be read; the rest of its payload was.
    Span,
    /// A field of a span could not be read; the rest of the span was.
    Field,
    /// A text was cut in the middle of a character, or says wrongly how much was cut off; it was read as far as it goes.
    /// The rule `value-cut-inside-character` speaks of these.
    Cut,
}
