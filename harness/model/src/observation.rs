//! All that is known of one permutation.

use serde::{Deserialize, Serialize};

use crate::{
    Defect, Export, GrpcCode, LogRecord, ProcessEvent, Settings, Source, Span, SpanId, TraceContext, TraceId,
    WireTap,
};

/// All that is known of one permutation, or of one capture: what the rules read.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// The permutation's full name, or the capture's.
    pub name: String,
    /// Every span that belongs to it, the driver's own among them.
    pub spans: Vec<Span>,
    /// What the driver sent, in the order it was sent.
    pub requests: Vec<Request>,
    /// Every exchange that the fronts saw, in the order they began.
    pub wire: Vec<WireTap>,
    /// Every line that the services wrote while it ran.
    pub logs: Vec<LogRecord>,
    /// Every export request that carried one of its spans, or none at all.
    pub exports: Vec<Export>,
    /// What happened to the service processes.
    pub process: Vec<ProcessEvent>,
    /// What could not be read.
    pub defects: Vec<Defect>,
    /// What was expected.
    pub settings: Settings,
    /// Which evidence was recorded at all: a rule that needs more says `not-observed`.
    pub recorded: Vec<Evidence>,
}

/// A kind of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Spans.
    Spans,
    /// Resource attributes.
    Resource,
    /// Wire taps.
    Wire,
    /// Log lines.
    Logs,
    /// Export requests.
    Exports,
    /// Process events.
    Process,
}

impl Evidence {
    /// Every kind.
    pub const ALL: [Evidence; 6] = [
        Evidence::Spans,
        Evidence::Resource,
        Evidence::Wire,
        Evidence::Logs,
        Evidence::Exports,
        Evidence::Process,
    ];
}

/// One request that the driver sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The service it went to.
    pub to: Source,
    /// The driver's CLIENT span for it, which is in [`Observation::spans`].
    pub trace_id: TraceId,
    /// See `trace_id`.
    pub span_id: SpanId,
    /// The context a right service must follow, of all the headers that were sent; `None` when none was.
    pub context: Option<TraceContext>,
    /// What marks this request among concurrent ones (the user id), where one was sent.
    pub marker: Option<String>,
    /// What came back.
    pub result: RequestResult,
    /// What the suite expects to come back, where it says so.
    pub expected: Option<RequestResult>,
    /// What else of the answer is not what the suite expects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<AnswerDifference>,
    /// Which step of a sequence it is, by its name; `None` where its case is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// A part of an answer that is not what the suite expects; secrets in it are replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerDifference {
    /// Which part: `the header content-type`, `/items/0/id` of its JSON, `the JSON`.
    pub part: String,
    /// What the suite expects of it.
    pub expected: String,
    /// What came.
    pub actual: String,
}

/// What came back for a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestResult {
    /// An HTTP status, the body complete.
    Http(u16),
    /// An HTTP status, and a body that was cut short.
    HttpBroken(u16),
    /// A gRPC status code.
    Grpc(GrpcCode),
    /// The exit code of a command that was run in place of a request.
    Exit(i32),
    /// No answer: why, in words of the driver.
    None(String),
}

impl std::fmt::Display for RequestResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RequestResult::Http(status) => write!(f, "{status}"),
            RequestResult::HttpBroken(status) => write!(f, "{status}, body broken off"),
            RequestResult::Grpc(code) => write!(f, "{code}"),
            RequestResult::Exit(code) => write!(f, "exit code {code}"),
            RequestResult::None(why) => write!(f, "no answer: {why}"),
        }
    }
}
