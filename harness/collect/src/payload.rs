//! One export request as it is kept: its bytes, and what is known of it.

use std::sync::Arc;

use bytes::Bytes;
use spanwise_decode::walk::{ScopePlace, walk};
use spanwise_decode::{Carrier, Cleaned, Head, Message, decode_carrier, decode_span, defect_within, head};
use spanwise_model::{
    Defect, DefectKind, Export, ExportAnswer, Header, Protocol, Refusal, Span, SpanId, TraceId,
};

use crate::Place;
use crate::senders::Senders;

/// What is kept of the body of an export request.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing: the request was refused unread, or the store was full.
    None,
    /// All of it.
    Bytes(Bytes),
    /// What was decoded of it: it comes from a recording, and held a secret. Places are numbers of its spans.
    Cleaned(Arc<Cleaned>),
}

impl Body {
    /// How large the payload was.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Body::None => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Cleaned(cleaned) => cleaned.bytes,
        }
    }
}

/// One export request.
#[derive(Debug)]
pub(crate) struct Payload {
    pub(crate) body: Body,
    /// Why there are no bytes, where the body could not be unpacked.
    pub(crate) unreadable: Option<String>,
    pub(crate) message: Message,
    pub(crate) scopes: Box<[ScopePlace]>,
    pub(crate) senders: Senders,
    pub(crate) protocol: Protocol,
    pub(crate) time: u64,
    pub(crate) headers: Arc<[Header]>,
    pub(crate) spans: u32,
    /// The spans of a refused request.
    pub(crate) carries: Box<[(TraceId, SpanId)]>,
    pub(crate) project: Option<String>,
    /// Whether the listener stands for Google's endpoint.
    pub(crate) google: bool,
    pub(crate) answer: ExportAnswer,
    pub(crate) would_be_refused: Option<Refusal>,
}

/// Whether the spans of a request are kept. A sender repeats what was refused, unless it was refused for its damage:
/// then this is all there will be.
pub(crate) fn keeps_spans(answer: &ExportAnswer, defects: &[Defect]) -> bool {
    *answer == ExportAnswer::Accepted || defects.iter().any(|defect| defect.kind == DefectKind::Payload)
}

/// The defect of a body that could not be unpacked; source and export are for the caller to add.
pub(crate) fn unreadable_defect(detail: String) -> Defect {
    let (kind, place) = (DefectKind::Payload, String::new());
    Defect { kind, source: None, export: None, place, detail, trace_id: None, span_id: None }
}

impl Payload {
    fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Bytes(bytes) => bytes,
            Body::None | Body::Cleaned(_) => &[],
        }
    }

    fn span_bytes(&self, place: &Place) -> &[u8] {
        self.bytes().get(place.at as usize..(place.at + place.len) as usize).unwrap_or_default()
    }

    /// The head of a span.
    pub(crate) fn head(&self, place: &Place) -> Head {
        let Body::Cleaned(cleaned) = &self.body else { return head(self.protocol, self.span_bytes(place)) };
        let found = cleaned.spans.get(place.at as usize);
        let span = found.and_then(|one| one.span.as_ref());
        Head {
            trace_id: found.map_or(TraceId::ZERO, |one| one.trace_id),
            span_id: place.span_id(),
            parent_span_id: span.and_then(|span| span.parent_span_id),
            kind: span.map(|span| span.kind).unwrap_or_default(),
        }
    }

    /// What encloses spans, with what could not be read of it.
    pub(crate) fn carrier(&self, place: &Place) -> (Carrier, Vec<Defect>) {
        if let Body::Cleaned(cleaned) = &self.body {
            let found = cleaned.carriers.get(place.scope as usize).cloned().unwrap_or_default();
            return (found.carrier, found.defects);
        }
        let Some(scope) = self.scopes.get(place.scope as usize) else { return Default::default() };
        let (carrier, defects) = decode_carrier(self.protocol, self.bytes(), scope);
        let path = scope.path();
        (carrier, defects.into_iter().map(|defect| defect_within(&path, defect)).collect())
    }

    /// A span within what encloses it, with what could not be read of it.
    pub(crate) fn span(&self, place: &Place, carrier: &Carrier) -> (Option<Span>, Vec<Defect>) {
        if let Body::Cleaned(cleaned) = &self.body {
            let at = place.at as usize;
            let defects = cleaned.spans.get(at).map(|one| one.defects.clone());
            return (cleaned.span(at), defects.unwrap_or_default());
        }
        let (span, mut defects) = decode_span(self.protocol, self.span_bytes(place), carrier);
        if !defects.is_empty() {
            let path = self.path(place);
            defects = defects.into_iter().map(|defect| defect_within(&path, defect)).collect();
        }
        (span, defects)
    }

    /// Where a span stands, in words. Only defects ask, so it is found by walking again.
    fn path(&self, place: &Place) -> String {
        let walk = walk(self.protocol, self.message, self.bytes());
        let span = walk.spans.iter().position(|span| span.at == place.at);
        span.map(|span| walk.path(self.protocol, span)).unwrap_or_default()
    }

    pub(crate) fn owned(&self, defect: Defect, export: Option<usize>) -> Defect {
        Defect { source: self.senders.all.clone(), export, ..defect }
    }

    pub(crate) fn export(&self) -> Export {
        Export {
            source: self.senders.all.clone(),
            protocol: self.protocol,
            time: self.time,
            headers: self.headers.to_vec(),
            bytes: self.body.len(),
            spans: self.spans,
            carries: self.carries.to_vec(),
            project: self.project.clone(),
            google: self.google,
            answer: self.answer.clone(),
            would_be_refused: self.would_be_refused.clone(),
        }
    }
}
