//! What a platform does to requests at a hop. The fronts call it; who emulates a platform implements it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Response, request, response};
use spanwise_model::WireTap;

/// What becomes of a request that a policy has seen.
pub enum Decision {
    /// It goes on to the service, with the head as the policy left it.
    Forward,
    /// The front answers it; the service never sees it. The tap says `answered_by_front`.
    Answer(Response<Bytes>),
}

/// A decision that may take its time: a request is held for as long as it does not resolve. It is dropped when the
/// caller goes away.
pub type Hold<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// What stands between a caller and a service besides the wire. Every method does nothing unless written.
///
/// The tap records requests as the caller sent them, before the policy, and answers as the service gave them.
pub trait Policy: Send + Sync + 'static {
    /// Sees the head of every request and may rewrite it, hold it, or answer in place of the service.
    fn request<'a>(&'a self, _head: &'a mut request::Parts) -> Hold<'a> {
        Box::pin(std::future::ready(Decision::Forward))
    }

    /// Hears of the head of every answer of the service, and may rewrite it.
    fn response(&self, _head: &mut response::Parts) {}

    /// Hears of the end of every exchange.
    fn ended(&self, _tap: &WireTap) {}
}

/// No platform: everything passes as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transparent;

impl Policy for Transparent {}
