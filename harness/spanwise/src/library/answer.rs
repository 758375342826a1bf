//! What came back for a request of a test, and the way from there to its trace.

use std::sync::{Arc, Weak};

use serde::de::DeserializeOwned;
use spanwise_drive as drive;
use spanwise_model::{GrpcCode, Header, RequestResult, TraceId};

use super::run::Inner;
use super::{HarnessError, Trace};
use crate::run::Exchange;

/// How much of a body a message shows.
const BEGINNING: usize = 120;

/// What came back for a request, or that nothing did.
#[derive(Debug)]
pub struct Answer {
    pub(super) inner: Weak<Inner>,
    pub(super) exchange: Arc<Exchange>,
}

impl Answer {
    /// How the request ended, in one word for HTTP and gRPC: also that no answer came, and why.
    pub fn result(&self) -> &RequestResult {
        &self.answer().result
    }

    /// The HTTP status; `None` for gRPC, and where no answer came.
    pub fn status(&self) -> Option<u16> {
        match self.result() {
            RequestResult::Http(status) | RequestResult::HttpBroken(status) => Some(*status),
            RequestResult::Grpc(_) | RequestResult::Exit(_) | RequestResult::None(_) => None,
        }
    }

    /// The gRPC status code; `None` for HTTP, and where no connection was made.
    pub fn code(&self) -> Option<GrpcCode> {
        match self.result() {
            RequestResult::Grpc(code) => Some(*code),
            _ => None,
        }
    }

    /// The headers, names in lower case, secrets replaced; empty where none came.
    pub fn headers(&self) -> &[Header] {
        &self.answer().headers
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers().iter().find(|header| header.name.eq_ignore_ascii_case(name));
        header.map(|header| header.value.as_str())
    }

    /// The first MiB of the body.
    pub fn bytes(&self) -> &[u8] {
        &self.answer().body
    }

    /// The first MiB of the body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The body as JSON; of gRPC, the one message of the answer, in proto3 JSON with the names of the `.proto` file.
    ///
    /// # Errors
    /// A body that is no such JSON; gRPC without a message.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HarnessError> {
        let read = match self.answer().messages.first() {
            Some(message) => T::deserialize(message),
            None => serde_json::from_slice(self.bytes()),
        };
        read.map_err(|source| HarnessError::Json {
            request: self.exchange.name().to_owned(),
            result: self.result().to_string(),
            source,
            beginning: self.text().chars().take(BEGINNING).collect(),
        })
    }

    /// The messages of a gRPC answer, in proto3 JSON with the names of the `.proto` file.
    pub fn messages(&self) -> &[serde_json::Value] {
        &self.answer().messages
    }

    /// The trace that the request began.
    pub fn trace_id(&self) -> TraceId {
        self.exchange.trace_id()
    }

    /// Waits until the trace is complete, and judges it.
    ///
    /// What must come is known from the wire: a SERVER span for each call that carried a sampled context, and the span that made
    /// the call. What has not come by [`crate::Harness::deadline`] is told with the findings. While no other request is under
    /// way, spans that came under another trace id belong to it, too: that is how a lost context shows.
    ///
    /// # Errors
    /// The run was dropped before.
    pub async fn trace(&self) -> Result<Trace, HarnessError> {
        let inner = self.inner.upgrade().ok_or(HarnessError::Ended)?;
        let exchange = self.exchange.clone();
        let observing = inner.clone();
        let seen = inner.runtime.run(async move { observing.session.observe(&exchange).await }).await;
        Ok(inner.judged(self.exchange.name(), seen))
    }

    fn answer(&self) -> &drive::Answer {
        self.exchange.answer()
    }
}
