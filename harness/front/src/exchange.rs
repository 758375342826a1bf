//! One exchange on its way through a front, as the tap log is told of it.
//!
//! `forward` begins it, `body` counts the frames of the answer; whoever drops it before its end was the caller's side.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use spanwise_model::{End, HttpVersion, Source, Stamps, TraceContext, WireTap};

use crate::headers::recorded;
use crate::{Policy, TapLog};

/// An exchange that has begun.
pub(crate) struct Exchange {
    log: Arc<TapLog>,
    policy: Arc<dyn Policy>,
    at: usize,
    stamps: Stamps,
    last_data: u64,
    held: Option<Box<dyn Send + Sync>>,
    is_http2: bool,
    ended: bool,
}

/// What a stream is reset with whose time is up while its answer flows: a server that gives a call up before its bytes are
/// complete cancels it (gRPC over HTTP/2, section "Errors"). Which code Cloud Run takes is not documented.
pub(crate) const TIMED_OUT: h2::Reason = h2::Reason::CANCEL;

impl Exchange {
    /// Records that a request came.
    pub(crate) fn begin(log: Arc<TapLog>, policy: Arc<dyn Policy>, tap: WireTap) -> Exchange {
        let (stamps, is_http2) = (tap.stamps, tap.http == HttpVersion::Http2);
        let at = log.record(tap);
        Exchange { log, policy, at, stamps, last_data: 0, held: None, is_http2, ended: false }
    }

    /// The policy let the request through: what it announced, the instance it chose, what it holds until the end.
    pub(crate) fn goes_on(
        &mut self,
        announced: Option<TraceContext>,
        instance: Option<Source>,
        held: Option<Box<dyn Send + Sync>>,
    ) {
        self.held = held;
        if announced.is_none() && instance.is_none() {
            return;
        }
        self.log.update(self.at, |tap| {
            tap.announced = announced;
            if let Some(instance) = instance {
                tap.to = instance;
            }
        });
    }

    /// The head of the answer came, from the service or by the front itself.
    pub(crate) fn answered(&mut self, status: http::StatusCode, headers: &HeaderMap, by_front: bool) {
        self.stamps.answered = now();
        let (stamps, headers) = (self.stamps, recorded(headers));
        self.log.update(self.at, |tap| {
            tap.status = Some(status.as_u16());
            tap.response_headers = headers;
            tap.answered_by_front = by_front;
            tap.stamps = stamps;
        });
    }

    /// A DATA frame, or a chunk of an HTTP/1.1 body, passed.
    pub(crate) fn data(&mut self) {
        self.stamps.data_frames += 1;
        self.stamps.last_but_one_data = self.last_data;
        self.last_data = now();
    }

    /// The trailers passed.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        let trailers = recorded(trailers);
        self.log.update(self.at, |tap| tap.trailers = trailers);
    }

    /// The body came to its regular end.
    pub(crate) fn complete(&mut self) {
        self.end(End::Complete);
    }

    /// The service broke off what is not HTTP any more.
    pub(crate) fn broken_off(&mut self) {
        self.end(End::Reset(None));
    }

    /// The front broke the answer off, because its time was up.
    pub(crate) fn timed_out(&mut self) {
        self.end(End::Reset(self.is_http2.then_some(u32::from(TIMED_OUT))));
    }

    /// The service, or its connection, broke the exchange off.
    pub(crate) fn broken(&mut self, error: &hyper::Error) {
        self.end(End::Reset(reset_code(error)));
    }

    fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.stamps.ended = now();
        let stamps = self.stamps;
        let tap = self.log.update(self.at, |tap| {
            tap.stamps = stamps;
            let without_status = end == End::Complete && lacks_grpc_status(tap);
            tap.end = if without_status { End::WithoutTrailers } else { end };
            tap.clone()
        });
        self.policy.ended(&tap);
        // The last of it: whoever hears that a lease is free finds the exchange over.
        self.held = None;
    }
}

impl Drop for Exchange {
    /// Nothing drops an exchange early but the caller's side of the connection: it cancelled, or is gone.
    fn drop(&mut self) {
        self.end(End::Canceled);
    }
}

/// Whether this is a gRPC answer that promised a status and never gave it.
fn lacks_grpc_status(tap: &WireTap) -> bool {
    let mut answer = tap.trailers.iter().chain(&tap.response_headers);
    tap.is_grpc() && tap.status == Some(200) && !answer.any(|header| header.name == "grpc-status")
}

/// The HTTP/2 error code in the chain of causes; `None` where HTTP/1.1 was spoken or the connection just ended.
fn reset_code(error: &hyper::Error) -> Option<u32> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<h2::Error>() {
            return h2.reason().map(u32::from);
        }
        cause = error.source();
    }
    None
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
