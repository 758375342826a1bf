//! Spans that a suite expects of each request: a tree of partial descriptions.

use serde::{Deserialize, Serialize};

use crate::name::characters;
use crate::{SpanKind, StatusCode, Value};

/// A span that must be there, with the spans directly below it. What is left open is not checked.
///
/// `*` in texts stands for any characters, and [`ExpectedSpan::USER`] for the marker of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedSpan {
    /// The service that recorded it; `*` leaves it open.
    pub service: String,
    /// Its kind.
    pub kind: Option<SpanKind>,
    /// Its name; `*` leaves it open.
    pub name: String,
    /// Its status.
    pub status: Option<StatusCode>,
    /// Its labels: the value, typed, or `None` for a label that must not be there. Others may be there too.
    pub labels: Vec<(String, Option<Value>)>,
    /// Spans directly below it, in any order; others may be there too.
    pub children: Vec<ExpectedSpan>,
    /// The step of a sequence whose request has it; `None` where each request has. Only the topmost span of a tree says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

impl ExpectedSpan {
    /// Stands for the marker of the request, such as the user of one of several concurrent requests.
    pub const USER: &'static str = "{{user}}";
    /// Trees are no deeper than this.
    pub const DEEPEST: usize = 64;
}

impl Default for ExpectedSpan {
    /// Any span.
    fn default() -> ExpectedSpan {
        ExpectedSpan {
            service: "*".to_owned(),
            kind: None,
            name: "*".to_owned(),
            status: None,
            labels: Vec::new(),
            children: Vec::new(),
            step: None,
        }
    }
}

/// Whether a text is what is expected: `*` stands for any characters, and [`ExpectedSpan::USER`] for the marker.
///
/// Takes time in proportion to the product of the lengths at most.
pub fn is_expected_text(expected: &str, text: &str, marker: Option<&str>) -> bool {
    match marker.filter(|_| expected.contains(ExpectedSpan::USER)) {
        Some(marker) => characters(&expected.replace(ExpectedSpan::USER, marker), text),
        None => characters(expected, text),
    }
}
