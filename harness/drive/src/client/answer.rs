//! What came back for a request.

use ::http::HeaderMap;
use bytes::Bytes;
use spanwise_model::{Header, RequestResult, secret};

/// What came back for a request, or that nothing did.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How it ended, in the model's words.
    pub result: RequestResult,
    /// The headers, secrets replaced; empty when none came.
    pub headers: Vec<Header>,
    /// The trailers, secrets replaced; empty when none came.
    pub trailers: Vec<Header>,
    /// The body's first MiB; for gRPC, the messages with their frames.
    pub body: Bytes,
    /// The messages of a gRPC answer as proto3 JSON, with the field names of the `.proto` file.
    pub messages: Vec<serde_json::Value>,
    /// Whether the method answers with a stream of messages.
    pub is_stream: bool,
    /// When the request was begun, in nanoseconds since the Unix epoch; connecting counts.
    pub begun: u64,
    /// When it ended, in nanoseconds since the Unix epoch.
    pub ended: u64,
}

impl Answer {
    /// The answer as JSON: a body that is JSON, the message of a gRPC call, or the list of messages of a stream.
    pub fn json(&self) -> Option<serde_json::Value> {
        match self.result {
            RequestResult::Grpc(_) if self.is_stream => Some(self.messages.clone().into()),
            RequestResult::Grpc(_) => self.messages.first().cloned(),
            _ => serde_json::from_slice(&self.body).ok(),
        }
    }
}

pub(super) fn recorded(headers: &HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&::http::HeaderName, &::http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        let value = secret::header_value(name.as_str(), &value).into_owned();
        Header { name: name.as_str().to_owned(), value }
    };
    headers.iter().map(header).collect()
}
