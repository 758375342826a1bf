//! The front end's policy at one hop: whom it admits, to which instance, and what it writes into the request.
//!
//! The run loop gives one to every front before a service on Cloud Run. In this order: the caller is admitted, an instance
//! is found while the request is held, the context is rewritten, the forwarding headers are added. Whoever is refused starts no
//! instance. The policy adds nothing to answers: what the real one adds to them is not documented.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use spanwise_front::{Asked, Decision, Hold, Policy, Way};
use spanwise_model::{CloudRunService, FrontEnd, Source};

use crate::context::{Sampler, read_headers, rewrite};
use crate::forwarded::forwarded;
use crate::random::fresh;

/// Who may call a service.
pub trait Admit: Send + Sync + 'static {
    /// Admits a request, by its headers and by whether it comes from the network that `ingress: internal` admits, or gives
    /// the answer that it gets. What is the platform's own is taken out of the headers.
    fn admit(&self, headers: &mut HeaderMap, is_internal: bool) -> Result<(), Box<Response<Bytes>>>;
}

/// Where the instances of a service are, and which has room.
pub trait Place: Send + Sync + 'static {
    /// Finds an instance for one request, and starts or thaws one where need be; the request is held meanwhile. It is `Full`
    /// when there is none after so long. Dropped before it resolves, it has taken no place.
    fn place(&self, patience: Duration) -> Placing<'_>;
}

/// An instance being looked for.
pub type Placing<'a> = Pin<Box<dyn Future<Output = Result<Placed, NoPlace>> + Send + 'a>>;

/// A place on an instance.
pub struct Placed {
    /// The instance.
    pub source: Source,
    /// Where it serves.
    pub address: SocketAddr,
    /// The place is free again when this is dropped.
    pub held: Box<dyn Send + Sync>,
}

/// Why there is no place for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// As many instances run as may, and all have as many requests as they may; answered 429.
    Full,
    /// No instance could be started, and why; answered 503.
    Failed(String),
}

/// What the front end is to do at one hop.
pub struct PolicyOptions {
    /// The front end of the suite.
    pub front_end: FrontEnd,
    /// How the called service is deployed.
    pub service: CloudRunService,
    /// Whether the caller's requests come from the network that `ingress: internal` admits.
    pub is_internal: bool,
    /// Who may call; anybody where none is said.
    pub admit: Option<Arc<dyn Admit>>,
    /// Where instances are found; the upstream of the front is the only one where none is said.
    pub place: Option<Arc<dyn Place>>,
    /// Shared by all fronts before the service.
    pub sampler: Arc<Sampler>,
}

/// Cloud Run's front end before one service, for one caller.
pub struct FrontEndPolicy {
    options: PolicyOptions,
}

impl FrontEndPolicy {
    /// A policy for [`spanwise_front::FrontOptions::policy`].
    pub fn new(options: PolicyOptions) -> FrontEndPolicy {
        FrontEndPolicy { options }
    }

    async fn decide(&self, request: Asked<'_>) -> Decision {
        let PolicyOptions { front_end, service, is_internal, admit, place, sampler } = &self.options;
        let Asked { head, tls, peer, onward } = request;
        if let Some(admit) = admit
            && let Err(refused) = admit.admit(&mut head.headers, *is_internal)
        {
            return Decision::Answer(*refused);
        }
        let timeout = Duration::from_millis(service.timeout_ms);
        let placed = match place {
            None => None,
            Some(place) => match place.place(timeout).await {
                Ok(placed) => Some(placed),
                Err(reason) => return Decision::Answer(reason.answer(timeout)),
            },
        };
        let number = placed.as_ref().map_or(1, |placed| placed.source.instance);
        let read = read_headers(&head.headers, front_end.context);
        let is_recorded = sampler.is_recorded(front_end.sampling, read, number, Instant::now());
        let announced = rewrite(&mut head.headers, read, is_recorded, front_end.context, onward, fresh());
        forwarded(&mut head.headers, peer.ip(), tls);
        let mut way = Way { announced: Some(announced), timeout: Some(timeout), ..Way::default() };
        if let Some(Placed { source, address, held }) = placed {
            (way.instance, way.held) = (Some((source, address)), Some(held));
        }
        Decision::Forward(way)
    }
}

impl Policy for FrontEndPolicy {
    fn request<'a>(&'a self, request: Asked<'a>) -> Hold<'a> {
        Box::pin(self.decide(request))
    }
}

impl NoPlace {
    /// What the caller gets. A request that waited for its whole time never reached an instance, so it is 429 and not 504,
    /// which is for services that do not answer.
    fn answer(self, patience: Duration) -> Response<Bytes> {
        let (status, text) = match self {
            NoPlace::Full => (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Rate exceeded.\nno instance had room for the request within {patience:?}\n"),
            ),
            NoPlace::Failed(reason) => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("no instance could be started: {reason}\n"))
            }
        };
        let mut answer = Response::new(Bytes::from(text));
        *answer.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, plain);
        answer
    }
}
