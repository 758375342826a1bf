//! What a rule says about an observation.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Header, SpanId, TraceId, Value};

/// One breach of one rule. Reporters read its fields and never parse its message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's name, in kebab case.
    pub rule: Cow<'static, str>,
    /// The level: the rule's highest, or lower where the catalogue says so.
    pub level: Level,
    /// The service it is about, where it is about one.
    pub service: Option<String>,
    /// The trace it is about, where it is about one.
    pub trace_id: Option<TraceId>,
    /// The span it is about, where it is about one.
    pub span_id: Option<SpanId>,
    /// The way to that span from its root: `service name` of each, outermost first.
    pub span_path: Vec<String>,
    /// What is wrong, in one sentence for a person who never read a specification.
    pub message: String,
    /// What should have been there.
    pub expected: Option<String>,
    /// What was there.
    pub actual: Option<String>,
    /// Typed details, for programs.
    pub facts: Facts,
    /// The hop it is about, with the headers seen on the wire.
    pub hop: Option<Hop>,
    /// The finding that explains this one, as an index into the same list.
    pub consequence_of: Option<usize>,
}

/// Typed details of a finding, by name: `header`, `label`, `renamed_to`, `parent_id`, …
pub type Facts = BTreeMap<String, Fact>;

/// One typed detail.
pub type Fact = Value;

/// A hop that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Who called.
    pub from: String,
    /// Who was called.
    pub to: String,
    /// How: `http/1.1`, `h2c`, `https/1.1`, `h2`.
    pub transport: String,
    /// The request headers that matter to tracing, as seen on the wire; secrets replaced.
    pub headers: Vec<Header>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing.
    Information,
    /// Fails under `strict`.
    Warning,
    /// Fails the run.
    Violation,
}

impl Level {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Information => "information",
            Level::Warning => "warning",
            Level::Violation => "violation",
        }
    }
}

/// What a rule says of a permutation as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It looked, and found nothing.
    Pass,
    /// It has findings; also when another finding explains them.
    Fail,
    /// There was nothing for it to look at. Not a pass.
    NotApplicable,
    /// The evidence it needs was not recorded. Not a pass.
    NotObserved,
}

impl Verdict {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::NotApplicable => "not-applicable",
            Verdict::NotObserved => "not-observed",
        }
    }
}
