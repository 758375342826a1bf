//! Export requests: what services sent to the mock, and what it answered.

use serde::{Deserialize, Serialize};

use crate::{Header, Source, SpanId, TraceId};

/// One export request, without its payload (the bytes stay in the collector's store and in the recording).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The instance whose collector address was used; `None` in captures.
    pub source: Option<Source>,
    /// The protocol.
    pub protocol: Protocol,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Request headers; secrets replaced.
    pub headers: Vec<Header>,
    /// Size of the payload after decompression, in bytes.
    pub bytes: u64,
    /// Spans in the payload, as far as it could be walked.
    pub spans: u32,
    /// Which spans a refused request carried, which its sender still has to deliver; empty for one that was accepted.
    pub carries: Vec<(TraceId, SpanId)>,
    /// The project the payload names (`projects/P`), in Cloud Trace requests alone.
    pub project: Option<String>,
    /// Whether the endpoint stands for one of Google's: there a request needs credentials and the right project.
    pub google: bool,
    /// What the mock answered.
    pub answer: ExportAnswer,
    /// Why Google's endpoint would have refused it: of Cloud Trace requests always, of OTLP ones where the listener has the
    /// `google` persona.
    pub would_be_refused: Option<Refusal>,
}

/// The protocol of an export request or a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// OTLP over gRPC.
    OtlpGrpc,
    /// OTLP over HTTP, binary protobuf.
    OtlpHttp,
    /// OTLP over HTTP, JSON; also a capture of JSON lines.
    OtlpHttpJson,
    /// Cloud Trace v2 over gRPC: `BatchWriteSpans`, `CreateSpan`.
    CloudTraceGrpc,
    /// Cloud Trace v2 over REST: `traces:batchWrite`; also a capture of JSON lines.
    CloudTraceRest,
}

impl Protocol {
    /// Whether the payload is Cloud Trace v2, not OTLP.
    pub fn is_cloud_trace(self) -> bool {
        matches!(self, Protocol::CloudTraceGrpc | Protocol::CloudTraceRest)
    }

    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::OtlpGrpc => "otlp-grpc",
            Protocol::OtlpHttp => "otlp-http",
            Protocol::OtlpHttpJson => "otlp-http-json",
            Protocol::CloudTraceGrpc => "cloud-trace-grpc",
            Protocol::CloudTraceRest => "cloud-trace-rest",
        }
    }
}

/// What the mock answered to an export request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportAnswer {
    /// All accepted.
    Accepted,
    /// Refused.
    Refused(Refusal),
}

/// A refusal of an export request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The canonical code (`google.rpc.Code`) by name: `RESOURCE_EXHAUSTED`, `INVALID_ARGUMENT`, …
    pub code: String,
    /// The message.
    pub message: String,
}
