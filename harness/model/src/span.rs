//! Spans, as every protocol's payload is mapped to them once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Protocol, Source, SpanId, TraceId, Value};

/// One span, whatever protocol carried it. Fields are those of the OpenTelemetry trace data model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// The trace; all zero when the exported id was unreadable (see [`Span::malformed_ids`]).
    pub trace_id: TraceId,
    /// The span's own id; all zero when unreadable.
    pub span_id: SpanId,
    /// The parent's id: `None` for a root; `Some(SpanId::ZERO)` when sixteen zeros were exported as a parent.
    pub parent_span_id: Option<SpanId>,
    /// Whether the parent lives in another process, where the exporter said so
    /// (OTLP span flags, bits 8 and 9; Cloud Trace v2 `same_process_as_parent_span`, inverted).
    pub parent_is_remote: Option<bool>,
    /// The kind; `Unspecified` when the exporter set none.
    pub kind: SpanKind,
    /// The name (Cloud Trace: display name).
    pub name: String,
    /// Start, in nanoseconds since the Unix epoch; 0 when missing.
    pub start: u64,
    /// End, in nanoseconds since the Unix epoch; 0 when missing.
    pub end: u64,
    /// The error status.
    pub status: Status,
    /// Attributes (Cloud Trace: labels) in the order they were exported, duplicates kept.
    pub attributes: Vec<(String, Value)>,
    /// Attributes the exporter says it dropped.
    pub dropped_attributes: u32,
    /// Events, in the order they were exported.
    pub events: Vec<Event>,
    /// Events the exporter says it dropped.
    pub dropped_events: u32,
    /// Links to other spans.
    pub links: Vec<Link>,
    /// Links the exporter says it dropped.
    pub dropped_links: u32,
    /// The W3C `tracestate` that the span carries; empty when none.
    pub trace_state: String,
    /// What the process that made the span says of itself.
    pub resource: Arc<Resource>,
    /// The instrumentation scope that made the span.
    pub scope: Arc<Scope>,
    /// The instance that exported it; `None` in captures that do not say.
    pub source: Option<Source>,
    /// The protocol that carried it; `None` for the driver's spans and spans read from the notation.
    pub protocol: Option<Protocol>,
    /// The export request that carried it, as an index into [`crate::Observation::exports`].
    pub export: Option<usize>,
    /// Ids that were exported in a form that is no id, or that is not quite one.
    pub malformed_ids: Vec<MalformedId>,
}

/// Span kind (OpenTelemetry trace API, section SpanKind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SpanKind {
    /// The exporter set no kind.
    #[default]
    Unspecified,
    /// Work inside a process.
    Internal,
    /// The receiving side of a request.
    Server,
    /// The sending side of a request.
    Client,
    /// The sending side of a message.
    Producer,
    /// The receiving side of a message.
    Consumer,
}

impl SpanKind {
    /// The name as the notation and reports write it: `SERVER`, `CLIENT`, …
    pub fn as_str(self) -> &'static str {
        match self {
            SpanKind::Unspecified => "UNSPECIFIED",
            SpanKind::Internal => "INTERNAL",
            SpanKind::Server => "SERVER",
            SpanKind::Client => "CLIENT",
            SpanKind::Producer => "PRODUCER",
            SpanKind::Consumer => "CONSUMER",
        }
    }
}

/// Status of a span (OpenTelemetry trace API, section Set Status).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Unset, Ok or Error.
    pub code: StatusCode,
    /// The description; empty when none.
    pub message: String,
    /// The `google.rpc.Code` number as exported, in Cloud Trace v2 payloads alone; `None` when there was no status.
    pub rpc_code: Option<i32>,
}

/// Status code of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StatusCode {
    /// Nothing was said.
    #[default]
    Unset,
    /// The application says that all is well.
    Ok,
    /// The operation failed.
    Error,
}

impl StatusCode {
    /// The name as the notation and reports write it: `UNSET`, `OK`, `ERROR`.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusCode::Unset => "UNSET",
            StatusCode::Ok => "OK",
            StatusCode::Error => "ERROR",
        }
    }
}

/// Something that happened during a span (Cloud Trace: annotation).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Event {
    /// The event's name, such as `exception`.
    pub name: String,
    /// When, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Attributes in the order they were exported.
    pub attributes: Vec<(String, Value)>,
}

/// A link to a span of this or another trace.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Link {
    /// The linked trace.
    pub trace_id: TraceId,
    /// The linked span.
    pub span_id: SpanId,
    /// Attributes in the order they were exported.
    pub attributes: Vec<(String, Value)>,
}

/// What a process says of itself (OTLP resource; empty in Cloud Trace v2, where it comes as span labels).
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Resource {
    /// Attributes in the order they were exported.
    pub attributes: Vec<(String, Value)>,
}

/// The instrumentation scope that made a span: usually a library.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Scope {
    /// The library's name; empty when unknown.
    pub name: String,
    /// Its version; empty when unknown.
    pub version: String,
    /// The schema URL of scope or resource; empty when none was given.
    pub schema_url: String,
}

/// An id that was exported in a form that is no id, or not quite one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedId {
    /// Which id.
    pub field: IdField,
    /// What was exported: the text, or the bytes in hexadecimal digits.
    pub text: String,
    /// What is wrong with it.
    pub problem: IdProblem,
}

/// Which id of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdField {
    /// The trace id.
    Trace,
    /// The span id.
    Span,
    /// The parent's span id.
    Parent,
    /// A linked trace or span id.
    Link,
    /// The Cloud Trace v2 resource name `projects/P/traces/T/spans/S`.
    ResourceName,
}

/// What is wrong with an exported id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdProblem {
    /// Not 8 or 16 bytes, or not hexadecimal digits.
    Unreadable,
    /// All zero where an id is required.
    Zero,
    /// Upper-case digits where lower case is demanded.
    UpperCase,
    /// The parts of a Cloud Trace v2 span disagree: the name's last part is not the span id.
    Disagrees,
    /// Base64 in place of hexadecimal digits (generic protobuf JSON); it was read.
    Base64,
}

/// The value of a key in a list of attributes; the last one wins, as backends have it.
pub(crate) fn find<'a>(attributes: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    attributes.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
}

impl Span {
    /// A span's attribute by key.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }

    /// A span's attribute by key, where it is text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attribute(key).and_then(Value::as_str)
    }

    /// `service.name` of the resource or, as Cloud Trace v2 has no resource, of the span's labels.
    pub fn service_name(&self) -> Option<&str> {
        find(&self.resource.attributes, "service.name")
            .or_else(|| self.attribute("service.name"))
            .and_then(Value::as_str)
    }

    /// The service this span is shown under: its source, else its `service.name`, else `?`.
    pub fn shown_service(&self) -> String {
        match &self.source {
            Some(source) => source.to_string(),
            None => self.service_name().unwrap_or("?").to_owned(),
        }
    }

    /// Whether the driver made this span; such spans are never judged.
    pub fn is_driver(&self) -> bool {
        self.source.as_ref().is_some_and(Source::is_driver)
    }

    /// Whether the platform's front end made this span; such spans are never judged.
    pub fn is_front_end(&self) -> bool {
        self.source.as_ref().is_some_and(Source::is_front_end)
    }

    /// Whether a service made this span: those of the driver and of the platform's front end are never judged.
    pub fn is_judged(&self) -> bool {
        !self.is_driver() && !self.is_front_end()
    }
}

impl Resource {
    /// A resource attribute by key.
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        find(&self.attributes, key)
    }
}

impl Default for Span {
    fn default() -> Span {
        Span {
            trace_id: TraceId::ZERO,
            span_id: SpanId::ZERO,
            parent_span_id: None,
            parent_is_remote: None,
            kind: SpanKind::Unspecified,
            name: String::new(),
            start: 0,
            end: 0,
            status: Status::default(),
            attributes: Vec::new(),
            dropped_attributes: 0,
            events: Vec::new(),
            dropped_events: 0,
            links: Vec::new(),
            dropped_links: 0,
            trace_state: String::new(),
            resource: Arc::default(),
            scope: Arc::default(),
            source: None,
            protocol: None,
            export: None,
            malformed_ids: Vec::new(),
        }
    }
}
