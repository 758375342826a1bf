//! What a platform does to requests at a hop. The fronts call it; who emulates a platform implements it.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Version, request, response};
use spanwise_model::{Source, TraceContext, WireTap};

/// A request that a policy is asked about.
pub struct Asked<'a> {
    /// Its head, which the policy may rewrite.
    pub head: &'a mut request::Parts,
    /// Whether the caller spoke TLS to the front.
    pub tls: bool,
    /// The caller's address.
    pub peer: SocketAddr,
    /// What the service will be spoken to in: HTTP/1.1 or HTTP/2.
    pub onward: Version,
}

/// What becomes of a request that a policy has seen.
#[derive(Debug)]
pub enum Decision {
    /// It goes on to the service, with the head as the policy left it.
    Forward(Way),
    /// The front answers it; the service never sees it. The tap says `answered_by_front`.
    Answer(Response<Bytes>),
}

/// How a request goes on; by default to the upstream of the front, for as long as it takes.
#[derive(Default)]
pub struct Way {
    /// The context that the policy wrote into the head in place of the caller's; the tap records it.
    pub announced: Option<TraceContext>,
    /// The instance that gets it, where it is not the one that the front stands before; the tap's `to` becomes it.
    pub instance: Option<(Source, SocketAddr)>,
    /// How long the exchange may take, from the moment its head came, time in the policy included. The front answers 504
    /// where there is no answer by then, and breaks off an answer that still flows.
    pub timeout: Option<Duration>,
    /// Dropped when the exchange has ended, however it did: the lease of an instance.
    pub held: Option<Box<dyn Send + Sync>>,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("announced", &self.announced)
            .field("instance", &self.instance)
            .field("timeout", &self.timeout)
            .field("is_held", &self.held.is_some())
            .finish()
    }
}

/// A decision that may take its time: a request is held for as long as it does not resolve. It is dropped when the
/// caller goes away.
pub type Hold<'a> = Pin<Box<dyn Future<Output = Decision> + Send + 'a>>;

/// What stands between a caller and a service besides the wire. Every method does nothing unless written.
///
/// The tap records requests as the caller sent them, before the policy, and answers as the service gave them.
pub trait Policy: Send + Sync + 'static {
    /// Sees the head of every request and may rewrite it, hold it, or answer in place of the service.
    fn request<'a>(&'a self, _request: Asked<'a>) -> Hold<'a> {
        Box::pin(std::future::ready(Decision::Forward(Way::default())))
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
