//! What the front before a hop saw of one exchange.

use serde::{Deserialize, Serialize};

use crate::{ContextFormat, GrpcCode, Source, TraceContext};

/// One HTTP exchange (a gRPC call is one too), as the transparent proxy before the called service saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireTap {
    /// Who called: every caller has a front address of its own. `None` for a caller that is not known.
    pub from: Option<Source>,
    /// The called service.
    pub to: Source,
    /// Whether the caller spoke TLS to the front.
    pub tls: bool,
    /// The protocol the caller spoke.
    pub http: HttpVersion,
    /// The request method, such as `POST`.
    pub method: String,
    /// Path and query as received; secrets replaced.
    pub path: String,
    /// `Host` or `:authority` as received.
    pub authority: String,
    /// Request headers in the order received, duplicates kept, secrets replaced.
    pub request_headers: Vec<Header>,
    /// The context that the platform's front end announced to the service in place of the caller's: that of a span of its
    /// own. `None` where the headers went through as they were.
    pub announced: Option<TraceContext>,
    /// HTTP status of the answer; `None` when none came.
    pub status: Option<u16>,
    /// Response headers in the order received, secrets replaced.
    pub response_headers: Vec<Header>,
    /// Trailers of the response; empty when none came.
    pub trailers: Vec<Header>,
    /// Whether the front answered by itself, so no span of the service is due: the service could not be reached or took too
    /// long, or the platform refused the call.
    pub answered_by_front: bool,
    /// How the exchange ended.
    pub end: End,
    /// When what happened.
    pub stamps: Stamps,
}

/// HTTP version that a caller spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// HTTP/1.0 or HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A header or trailer field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The name; lower case, except where the byte tap saw it otherwise on the wire.
    pub name: String,
    /// The value; bytes that are not UTF-8 are replaced, secrets are typed placeholders.
    pub value: String,
}

/// How an exchange ended, seen from the front.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Body and trailers complete.
    Complete,
    /// A gRPC answer that ended without `grpc-status`, which hyper shows for RST_STREAM(NO_ERROR) too.
    WithoutTrailers,
    /// The service, or the front after its time, broke the answer off: the HTTP/2 error code, or the HTTP/1.1 body cut short (`None`).
    Reset(Option<u32>),
    /// The caller went away first: cancellation or its deadline.
    Canceled,
    /// Still open when the observation ended.
    Open,
}

/// When what happened in an exchange, in nanoseconds since the Unix epoch; 0 for what did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stamps {
    /// Request headers received.
    pub begun: u64,
    /// Response headers received.
    pub answered: u64,
    /// How many DATA frames (or body chunks) the response had.
    pub data_frames: u32,
    /// The last but one of them; 0 with fewer than two.
    pub last_but_one_data: u64,
    /// The end of the exchange.
    pub ended: u64,
}

impl Stamps {
    /// How far what the front sees may lag behind what a service did, in nanoseconds: they share a clock, but not a
    /// processor, and a service that writes a whole answer at once is done before the front has read any of it. On machines
    /// with several times more to do than they can, a quarter of a second was seen.
    pub const LAG: u64 = 1_000_000_000;

    /// Whether data was still flowing well after this time: the last but one of several pieces passed more than
    /// [`Stamps::LAG`] later, and more than that after the response's headers.
    pub fn streamed_after(&self, time: u64) -> bool {
        self.last_but_one_data > time.max(self.answered).saturating_add(Stamps::LAG)
    }
}

impl WireTap {
    /// The values of a request header, in order; names compare without case.
    pub fn request_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        values(&self.request_headers, name)
    }

    /// The first value of a request header.
    pub fn request_header(&self, name: &str) -> Option<&str> {
        first(&self.request_headers, name)
    }

    /// Whether this is a gRPC call, by its content type.
    pub fn is_grpc(&self) -> bool {
        self.request_header("content-type").is_some_and(|value| value.starts_with("application/grpc"))
    }

    /// The context that the request carries in one format, where it is readable.
    pub fn context_in(&self, format: ContextFormat) -> Option<TraceContext> {
        self.request_header(format.header()).and_then(|value| format.parse(value).ok())
    }

    /// The context that a receiver configured for both formats must follow: a valid `traceparent`,
    /// else a valid `X-Cloud-Trace-Context` (Cloud Trace, page "Trace context").
    pub fn context(&self) -> Option<TraceContext> {
        self.contexts().next()
    }

    /// The readable contexts that the request carries, the one that wins first.
    pub fn contexts(&self) -> impl Iterator<Item = TraceContext> {
        ContextFormat::ALL.into_iter().filter_map(|format| self.context_in(format))
    }

    /// The gRPC status on the wire: of the trailers, or of the headers in a Trailers-Only answer.
    pub fn grpc_status(&self) -> Option<GrpcCode> {
        first(&self.trailers, "grpc-status")
            .or_else(|| first(&self.response_headers, "grpc-status"))
            .and_then(|value| value.parse().ok())
            .and_then(GrpcCode::from_number)
    }
}

fn values<'a>(headers: &'a [Header], name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
}

fn first<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value.as_str())
}
