//! The spans of any protocol, decoded: one at a time with what encloses it, or a whole payload at once.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spanwise_model::{Defect, Protocol, Resource, Scope, Span, SpanId, SpanKind, TraceId};

use crate::json::{Json, Object};
use crate::notes::Notes;
use crate::walk::{Message, ScopePlace, Walk, bytes, walk};
use crate::{cloud_trace, json, otlp, secrets};

/// What spans of one `ScopeSpans` share, decoded once for all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Carrier {
    /// The resource; empty in Cloud Trace v2.
    pub resource: Arc<Resource>,
    /// The scope; empty in Cloud Trace v2.
    pub scope: Arc<Scope>,
}

/// Something decoded.
pub(crate) struct Part<T> {
    pub(crate) value: T,
    pub(crate) defects: Vec<Defect>,
    /// Whether a secret was taken out of it.
    pub(crate) held_secret: bool,
}

/// Decodes what encloses spans. Places of defects begin with `resource` or `scope`.
pub fn decode_carrier(protocol: Protocol, payload: &[u8], place: &ScopePlace) -> (Carrier, Vec<Defect>) {
    let Part { value, defects, .. } = carrier_part(protocol, payload, place);
    (value, defects)
}

/// As [`decode_carrier`].
pub(crate) fn carrier_part(protocol: Protocol, payload: &[u8], place: &ScopePlace) -> Part<Carrier> {
    let mut notes = Notes::default();
    let mut part = |name: &str, place: &Range<u32>, read: &mut dyn FnMut(&[u8], &mut Notes)| {
        let bytes = bytes(payload, place);
        if !bytes.is_empty() {
            notes.within(|| name.to_owned(), |notes| read(bytes, notes));
        }
    };
    let (mut resource, mut scope, mut schema_url) = (Resource::default(), Scope::default(), String::new());
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => {
            part("resource", &place.resource, &mut |bytes, notes| resource = otlp::resource(bytes, notes));
            part("scope", &place.scope, &mut |bytes, notes| scope = otlp::scope(bytes, notes));
            part("schema_url", &place.schema_url, &mut |bytes, _| {
                schema_url = String::from_utf8_lossy(bytes).into_owned();
            });
        }
        Protocol::OtlpHttpJson => {
            part("resource", &place.resource, &mut |bytes, notes| {
                resource = json::otlp::resource(&object(bytes, notes), notes);
            });
            part("scope", &place.scope, &mut |bytes, notes| {
                scope = json::otlp::scope(&object(bytes, notes), notes);
            });
            part("schema_url", &place.schema_url, &mut |bytes, notes| {
                let json = json(bytes, notes);
                schema_url = json.and_then(|json| json.text(notes).map(str::to_owned)).unwrap_or_default();
            });
        }
        Protocol::CloudTraceGrpc | Protocol::CloudTraceRest => {}
    }
    scope.schema_url = schema_url;
    let mut defects = notes.into_defects();
    let held_secret = secrets::of_resource(&mut resource) | secrets::of_defects(&mut defects);
    let value = Carrier { resource: Arc::new(resource), scope: Arc::new(scope) };
    Part { value, defects, held_secret }
}

/// Decodes one span; `None` where damage took one of its ids, as nothing can be said of such a span. Places of defects are
/// relative to the span; source and export are for the caller to add.
pub fn decode_span(protocol: Protocol, bytes: &[u8], carrier: &Carrier) -> (Option<Span>, Vec<Defect>) {
    let Part { value, defects, .. } = span_part(protocol, bytes);
    (value.map(|span| carrier.around(span)), defects)
}

/// As [`decode_span`], without what encloses it.
pub(crate) fn span_part(protocol: Protocol, bytes: &[u8]) -> Part<Option<Span>> {
    let mut notes = Notes::default();
    let mut span = read(protocol, bytes, &mut notes);
    let is_read = notes.is_span_read(&span);
    let mut defects = notes.into_span_defects(&span);
    let held_secret = secrets::of_span(&mut span) | secrets::of_defects(&mut defects);
    span.protocol = Some(protocol);
    Part { value: is_read.then_some(span), defects, held_secret }
}

impl Carrier {
    /// The span with what encloses it.
    pub(crate) fn around(&self, span: Span) -> Span {
        Span { resource: self.resource.clone(), scope: self.scope.clone(), ..span }
    }
}

fn read(protocol: Protocol, bytes: &[u8], notes: &mut Notes) -> Span {
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => otlp::span(bytes, notes),
        Protocol::CloudTraceGrpc => cloud_trace::span(bytes, notes),
        Protocol::OtlpHttpJson => json::otlp::span(&object(bytes, notes), notes),
        Protocol::CloudTraceRest => json::cloud_trace::span(&object(bytes, notes), notes),
    }
}

/// The JSON object that bytes hold; an empty one, noted, where they hold none.
fn object<'a>(bytes: &'a [u8], notes: &mut Notes) -> Object<'a> {
    match json(bytes, notes) {
        Some(Json::Object(object)) => object,
        Some(other) => {
            notes.broken("", format!("expected an object, found {}", other.type_name()));
            Object::default()
        }
        None => Object::default(),
    }
}

/// The JSON that bytes hold; noted, where they hold none.
fn json<'a>(bytes: &'a [u8], notes: &mut Notes) -> Option<Json<'a>> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let json = text.and_then(|text| Json::read(text).map_err(|error| error.to_string()));
    json.map_err(|error| notes.broken("", error)).ok()
}

/// The few fields of a span that tell whether a trace is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// As [`Span::trace_id`].
    pub trace_id: TraceId,
    /// As [`Span::span_id`].
    pub span_id: SpanId,
    /// As [`Span::parent_span_id`].
    pub parent_span_id: Option<SpanId>,
    /// As [`Span::kind`].
    pub kind: SpanKind,
}

/// Decodes only the head of a span.
pub fn head(protocol: Protocol, bytes: &[u8]) -> Head {
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => otlp::head(bytes),
        Protocol::CloudTraceGrpc => cloud_trace::head(bytes),
        Protocol::OtlpHttpJson | Protocol::CloudTraceRest => {
            let span = read(protocol, bytes, &mut Notes::default());
            let Span { trace_id, span_id, parent_span_id, kind, .. } = span;
            Head { trace_id, span_id, parent_span_id, kind }
        }
    }
}

/// A whole payload, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// Its spans in the order they stand there, without those that could not be read.
    pub spans: Vec<Span>,
    /// What could not be read, with places in the payload.
    pub defects: Vec<Defect>,
    /// The project that the payload names, in Cloud Trace v2 alone.
    pub project: Option<String>,
}

/// Decodes a whole payload.
pub fn decode_payload(protocol: Protocol, message: Message, payload: &[u8]) -> Decoded {
    let walk = walk(protocol, message, payload);
    let mut decoded = Decoded::default();
    let mut carriers = Vec::new();
    for scope in &walk.scopes {
        let (carrier, defects) = decode_carrier(protocol, payload, scope);
        let path = scope.path();
        decoded.defects.extend(defects.into_iter().map(|defect| defect_within(&path, defect)));
        carriers.push(carrier);
    }
    for (at, place) in walk.spans.iter().enumerate() {
        let carrier = carriers.get(place.scope as usize).cloned().unwrap_or_default();
        let (span, defects) = decode_span(protocol, place.bytes(payload), &carrier);
        decoded.spans.extend(span);
        if !defects.is_empty() {
            let path = walk.path(protocol, at);
            decoded.defects.extend(defects.into_iter().map(|defect| defect_within(&path, defect)));
        }
    }
    let Walk { defects, project, .. } = walk;
    decoded.defects.extend(defects);
    decoded.project = project;
    decoded
}

/// A defect of something that stands at a path: the path comes before the defect's own place.
pub fn defect_within(path: &str, defect: Defect) -> Defect {
    let dot = if defect.place.is_empty() || path.is_empty() { "" } else { "." };
    Defect { place: format!("{path}{dot}{}", defect.place), ..defect }
}
