//! What happens to an export request, whatever protocol carried it: walked, weighed, kept, answered.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderMap;
use spanwise_decode::walk::walk;
use spanwise_decode::{Message, Walk};
use spanwise_model::{ExportAnswer, GrpcCode, Header, Protocol, Refusal, secret};

use crate::payload::Body;
use crate::senders::Senders;
use crate::store::Arrival;
use crate::{ListenOptions, PartialSuccess, Persona, Store, google};

/// The largest payload that is taken, after decompression.
pub(crate) const LARGEST: usize = 64 << 20;

/// The door of one listener.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) options: ListenOptions,
    /// Where payloads are kept; somewhere else from one moment to the next, if the listener is told so.
    store: Mutex<Arc<Store>>,
    /// Requests still to be refused by [`crate::RefuseFirst`].
    to_refuse: AtomicU32,
    /// The headers of the last request: an exporter repeats its own, and they are shared then.
    headers: Mutex<Arc<[Header]>>,
}

/// A request that came in whole.
pub(crate) struct Request {
    pub(crate) protocol: Protocol,
    pub(crate) message: Message,
    /// The project in the path of a REST call.
    pub(crate) project: Option<String>,
    pub(crate) headers: Arc<[Header]>,
    pub(crate) payload: Bytes,
}

/// What the peer is told.
pub(crate) enum Answer {
    Accepted,
    Partly(PartialSuccess),
    Refused(Refusal),
}

impl Intake {
    pub(crate) fn new(store: Arc<Store>, options: ListenOptions) -> Intake {
        let refused = options.behavior.refuse_first.as_ref().map_or(0, |first| first.requests);
        let headers = Mutex::new(Arc::from(Vec::new()));
        Intake { options, store: Mutex::new(store), to_refuse: AtomicU32::new(refused), headers }
    }

    /// From now on payloads are kept here.
    pub(crate) fn deliver_to(&self, store: Arc<Store>) {
        *self.store.lock().unwrap_or_else(PoisonError::into_inner) = store;
    }

    fn store(&self) -> Arc<Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whose a payload is.
    fn senders(&self, request: &Request, walk: &Walk) -> Senders {
        match &self.options.source {
            None if !self.options.senders.is_empty() => {
                Senders::of_payload(request.protocol, &request.payload, walk, &self.options.senders)
            }
            source => Senders::one(source.clone()),
        }
    }

    /// Takes a request: keeps it and says what to answer.
    pub(crate) fn take(&self, request: Request) -> Answer {
        let behavior = &self.options.behavior;
        let mut walk = walk(request.protocol, request.message, &request.payload);
        if request.project.is_some() {
            walk.project.clone_from(&request.project);
        }
        let google = self.options.persona == Persona::Google;
        let judged_by_google = google || request.protocol.is_cloud_trace();
        let would_be_refused = judged_by_google
            .then(|| google::refusal_of(request.protocol, request.message, &request.payload, &walk))
            .flatten();
        let refusal = self
            .refusal_on_demand()
            .or_else(|| would_be_refused.clone().filter(|_| behavior.refuse))
            .or_else(|| unreadable(&walk));
        let answer = refusal.clone().map_or(ExportAnswer::Accepted, ExportAnswer::Refused);
        let kept = self.store().add(Arrival {
            senders: self.senders(&request, &walk),
            protocol: request.protocol,
            message: request.message,
            time: now(),
            headers: request.headers,
            body: Body::Bytes(request.payload),
            unreadable: None,
            spans: walk.spans.len() as u32,
            walk,
            google,
            answer,
            would_be_refused,
        });
        match (kept, refusal) {
            (Err(full), _) => Answer::Refused(full),
            (Ok(()), Some(refusal)) => Answer::Refused(refusal),
            (Ok(()), None) => match &behavior.partial_success {
                Some(partial) => Answer::Partly(partial.clone()),
                None => Answer::Accepted,
            },
        }
    }

    /// Puts down a request that is refused before there is a payload; `unreadable` says why where there cannot be one.
    pub(crate) fn refused(
        &self,
        protocol: Protocol,
        headers: Arc<[Header]>,
        refusal: Refusal,
        unreadable: Option<String>,
    ) {
        // Room is no question where nothing is kept, so that nothing can be refused here once more.
        let _ = self.store().add(Arrival {
            senders: Senders::one(self.options.source.clone()),
            protocol,
            message: Message::Batch,
            time: now(),
            headers,
            body: Body::None,
            unreadable,
            spans: 0,
            walk: Walk::default(),
            google: self.options.persona == Persona::Google,
            answer: ExportAnswer::Refused(refusal),
            would_be_refused: None,
        });
    }

    /// Headers as they may be kept: secrets never get past here.
    pub(crate) fn headers(&self, headers: &HeaderMap) -> Arc<[Header]> {
        let keep = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = secret::header_value(name.as_str(), &value).into_owned();
            Header { name: name.as_str().to_owned(), value }
        };
        let headers: Vec<Header> = headers.iter().map(keep).collect();
        let mut last = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if **last != *headers {
            *last = headers.into();
        }
        last.clone()
    }

    fn refusal_on_demand(&self) -> Option<Refusal> {
        let first = self.options.behavior.refuse_first.as_ref()?;
        let left =
            self.to_refuse.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.ok().map(|_| refusal(first.code, "refused on demand"))
    }
}

/// A payload that cannot be walked to its end is refused, as any collector would. What was found in it is kept.
fn unreadable(walk: &Walk) -> Option<Refusal> {
    let defect = walk.defects.first()?;
    let place = if defect.place.is_empty() { "payload" } else { &defect.place };
    Some(refusal(GrpcCode::InvalidArgument, &format!("{place}: {}", defect.detail)))
}

/// A refusal in the words of the model. It may quote what was received.
pub(crate) fn refusal(code: GrpcCode, message: &str) -> Refusal {
    Refusal { code: code.as_str().to_owned(), message: secret::text(message).into_owned() }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
