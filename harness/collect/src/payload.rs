//! One export request as it is kept: its bytes, and what is known of it.

use std::sync::Arc;

use bytes::Bytes;
use spanwise_decode::walk::{ScopePlace, walk};
use spanwise_decode::{Carrier, Message, decode_carrier, defect_within};
use spanwise_model::{Defect, DefectKind, Export, ExportAnswer, Header, Protocol, Refusal, SpanId, TraceId};

use crate::Place;
use crate::senders::Senders;

/// One export request.
#[derive(Debug)]
pub(crate) struct Payload {
    /// `None` where the request was refused unread, or when the store was full.
    pub(crate) bytes: Option<Bytes>,
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
        self.bytes.as_deref().unwrap_or_default()
    }

    pub(crate) fn span(&self, place: &Place) -> &[u8] {
        self.bytes().get(place.at as usize..(place.at + place.len) as usize).unwrap_or_default()
    }

    pub(crate) fn carrier(&self, place: &Place) -> (Carrier, Vec<Defect>) {
        let Some(scope) = self.scopes.get(place.scope as usize) else { return Default::default() };
        let (carrier, defects) = decode_carrier(self.protocol, self.bytes(), scope);
        let path = scope.path();
        (carrier, defects.into_iter().map(|defect| defect_within(&path, defect)).collect())
    }

    /// Where a span stands, in words. Only defects ask, so it is found by walking again.
    pub(crate) fn path(&self, place: &Place) -> String {
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
            bytes: self.bytes().len() as u64,
            spans: self.spans,
            carries: self.carries.to_vec(),
            project: self.project.clone(),
            google: self.google,
            answer: self.answer.clone(),
            would_be_refused: self.would_be_refused.clone(),
        }
    }
}
