//! What was received: payload bytes, and an index from trace to spans in them.
//!
//! A span costs its bytes on the wire and a [`Place`]. It is decoded when its trace is read, by the reader's thread and
//! outside the lock. One lock suffices: an insertion is a few microseconds for a batch of hundreds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use spanwise_decode::{Carrier, Message, Walk};
use spanwise_model::{
    Defect, Export, ExportAnswer, GrpcCode, Header, Protocol, Refusal, Source, Span, SpanId, SpanKind,
    TraceId,
};
use tokio::sync::watch;

use crate::Recorded;
use crate::intake::refusal;
use crate::payload::{Body, Payload, keeps_spans, unreadable_defect};
use crate::senders::Senders;

/// Everything that was received, for as long as the run lasts.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    max_memory: Option<u64>,
    /// Counts arrivals; see `wait.rs`.
    pub(crate) changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    payloads: Vec<Arc<Payload>>,
    traces: IndexMap<TraceId, Vec<Place>>,
    counts: Counts,
    /// Payloads that could not be walked to their end.
    defects: Vec<Defect>,
    /// Bytes of payloads held.
    memory: u64,
}

/// A request as `intake.rs` hands it over, or `recording.rs` reads it back.
pub(crate) struct Arrival {
    pub(crate) senders: Senders,
    pub(crate) protocol: Protocol,
    pub(crate) message: Message,
    pub(crate) time: u64,
    pub(crate) headers: Arc<[Header]>,
    /// Nothing where it is refused unread.
    pub(crate) body: Body,
    /// Why there is no payload, where the body could not be unpacked.
    pub(crate) unreadable: Option<String>,
    /// Spans in the payload, as far as it could be walked.
    pub(crate) spans: u32,
    pub(crate) walk: Walk,
    pub(crate) google: bool,
    pub(crate) answer: ExportAnswer,
    pub(crate) would_be_refused: Option<Refusal>,
}

/// Where a span is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) payload: u32,
    pub(crate) at: u32,
    pub(crate) len: u32,
    pub(crate) scope: u32,
    span: SpanId,
}

impl Place {
    /// The export request, as an index into [`Store::exports`].
    pub fn export(&self) -> usize {
        self.payload as usize
    }

    /// The span's id; all zero when unreadable.
    pub fn span_id(&self) -> SpanId {
        self.span
    }
}

/// The head of a span, for telling whether a trace is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpanRef {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub span: SpanId,
    /// Its parent's id; `None` for a root.
    pub parent: Option<SpanId>,
    /// The instance that exported it.
    pub source: Option<Source>,
    /// Its kind.
    pub kind: SpanKind,
}

/// What was received, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Export requests, whatever they were answered.
    pub requests: u64,
    /// Spans kept. Those of refused requests are not, except in front of damage.
    pub spans: u64,
    /// Traces that have a span kept.
    pub traces: u64,
    /// Requests refused.
    pub refused: u64,
    /// Requests that could not be walked to their end, and spans that could not.
    pub malformed: u64,
}

impl Store {
    pub(crate) fn new(max_memory: Option<u64>) -> Store {
        Store { inner: Mutex::default(), max_memory, changed: watch::Sender::new(0) }
    }

    /// The store that these requests were recorded of, in their order.
    pub fn of(recorded: impl IntoIterator<Item = Recorded>) -> Store {
        let store = Store::new(None);
        for one in recorded {
            // Without a limit there is room for all of them.
            let _ = store.add(one.arrival());
        }
        store
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics while it holds the lock; if something did, what is there is still the best there is.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request; of one that the store is too full for, all but the payload.
    pub(crate) fn add(&self, arrival: Arrival) -> Result<(), Refusal> {
        let full = self.lock().add(arrival, self.max_memory);
        self.changed.send_modify(|arrivals| *arrivals += 1);
        full
    }

    /// The traces that have spans, in the order their first one came. Spans whose trace id is unreadable stand under
    /// the id of all zero.
    pub fn traces(&self) -> Vec<TraceId> {
        self.traces_since(0)
    }

    /// The traces behind the first `cursor` ones: pass 0 first, then the cursor plus the number of those returned.
    pub fn traces_since(&self, cursor: usize) -> Vec<TraceId> {
        self.lock().traces.keys().skip(cursor).copied().collect()
    }

    /// The places of a trace's spans, in the order they came.
    pub fn trace(&self, trace: TraceId) -> Vec<Place> {
        self.lock().traces.get(&trace).cloned().unwrap_or_default()
    }

    /// The heads of a trace's spans, without decoding the rest of them.
    pub fn ids_of(&self, trace: TraceId) -> Vec<SpanRef> {
        let places = self.places(trace);
        let reference = |(place, payload): &(Place, Arc<Payload>)| {
            let head = payload.head(place);
            SpanRef {
                trace: head.trace_id,
                span: head.span_id,
                parent: head.parent_span_id,
                source: payload.senders.of_scope(place.scope),
                kind: head.kind,
            }
        };
        places.iter().map(reference).collect()
    }

    /// Decodes a trace's spans, in the order they came, with what could not be read of them.
    pub fn spans_of(&self, trace: TraceId) -> (Vec<Span>, Vec<Defect>) {
        let (mut spans, mut defects) = (Vec::new(), Vec::new());
        let mut carriers: HashMap<(u32, u32), Carrier> = HashMap::new();
        for (place, payload) in self.places(trace) {
            let export = Some(place.export());
            let carrier = carriers.entry((place.payload, place.scope)).or_insert_with(|| {
                let (carrier, found) = payload.carrier(&place);
                defects.extend(found.into_iter().map(|defect| payload.owned(defect, export)));
                carrier
            });
            let (span, found) = payload.span(&place, carrier);
            defects.extend(found.into_iter().map(|defect| payload.owned(defect, export)));
            let source = payload.senders.of_scope(place.scope);
            spans.extend(span.map(|span| Span { source, export, ..span }));
        }
        (spans, defects)
    }

    /// Every export request, in the order they came.
    pub fn exports(&self) -> Vec<Export> {
        let payloads = self.lock().payloads.clone();
        payloads.iter().map(|payload| payload.export()).collect()
    }

    /// One export request.
    pub fn export(&self, index: usize) -> Option<Export> {
        let payload = self.lock().payloads.get(index).cloned();
        payload.map(|payload| payload.export())
    }

    /// The export requests that were refused and carried a span of one of these traces, as indices into [`Store::exports`].
    pub fn refused_of(&self, traces: &[TraceId]) -> Vec<usize> {
        let inner = self.lock();
        let carries =
            |payload: &Arc<Payload>| payload.carries.iter().any(|(trace, _)| traces.contains(trace));
        let refused = inner.payloads.iter().enumerate().filter(|(_, payload)| carries(payload));
        refused.map(|(index, _)| index).collect()
    }

    /// Payloads that could not be walked to their end.
    pub fn payload_defects(&self) -> Vec<Defect> {
        self.lock().defects.clone()
    }

    /// What was received so far, in numbers.
    pub fn counts(&self) -> Counts {
        let inner = self.lock();
        Counts { traces: inner.traces.len() as u64, ..inner.counts }
    }

    /// The requests behind the first `cursor` ones, but no more than so many, as they may be written down.
    pub fn recorded(&self, cursor: usize, most: usize) -> Vec<Recorded> {
        let payloads: Vec<_> = self.lock().payloads.iter().skip(cursor).take(most).cloned().collect();
        payloads.iter().map(|payload| Recorded::of(payload)).collect()
    }

    fn places(&self, trace: TraceId) -> Vec<(Place, Arc<Payload>)> {
        let inner = self.lock();
        let places = inner.traces.get(&trace).into_iter().flatten();
        places.map(|place| (*place, inner.payloads[place.payload as usize].clone())).collect()
    }
}

impl Inner {
    fn add(&mut self, mut arrival: Arrival, max_memory: Option<u64>) -> Result<(), Refusal> {
        let size = arrival.body.len();
        let is_full = max_memory.is_some_and(|max| self.memory + size > max);
        let full = refusal(
            GrpcCode::ResourceExhausted,
            &format!("the store is full: {} bytes of payloads are held", self.memory),
        );
        if is_full {
            arrival.body = Body::None;
            arrival.walk = Walk { project: arrival.walk.project, ..Walk::default() };
            arrival.answer = ExportAnswer::Refused(full.clone());
        } else {
            self.memory += size;
        }
        let Arrival { senders, protocol, message, time, headers, body, unreadable, spans, walk, .. } =
            arrival;
        let mut defects = walk.defects;
        defects.extend(unreadable.clone().map(unreadable_defect));
        self.counts.requests += 1;
        self.counts.refused += u64::from(arrival.answer != ExportAnswer::Accepted);
        self.counts.malformed += u64::from(!defects.is_empty()) + u64::from(walk.damaged_spans);
        let index = self.payloads.len();
        if keeps_spans(&arrival.answer, &defects) {
            self.counts.spans += walk.spans.len() as u64;
            // Spans of a trace stand together more often than not, and are looked up together.
            for spans in walk.spans.chunk_by(|one, next| one.trace_id == next.trace_id) {
                let places = self.traces.entry(spans[0].trace_id).or_default();
                places.extend(spans.iter().map(|span| Place {
                    payload: index as u32,
                    at: span.at,
                    len: span.len,
                    scope: span.scope,
                    span: span.span_id,
                }));
            }
        }
        let own = |defect| Defect { source: senders.all.clone(), export: Some(index), ..defect };
        self.defects.extend(defects.into_iter().map(own));
        let refused = arrival.answer != ExportAnswer::Accepted;
        let carried = walk.spans.iter().filter(|_| refused).map(|span| (span.trace_id, span.span_id));
        self.payloads.push(Arc::new(Payload {
            carries: carried.collect(),
            body,
            unreadable,
            message,
            scopes: walk.scopes.into(),
            senders,
            protocol,
            time,
            headers,
            spans,
            project: walk.project,
            google: arrival.google,
            answer: arrival.answer,
            would_be_refused: arrival.would_be_refused,
        }));
        if is_full { Err(full) } else { Ok(()) }
    }
}
