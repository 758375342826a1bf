//! Finds the spans in a payload without decoding them: place, trace id, span id.
//!
//! `collect` calls it once for every export request, so it does the least that an index needs. A damaged span does not
//! hide the others; where the payload itself cannot be walked on, what came before is kept and a defect says where.

use std::ops::Range;

use spanwise_model::{Defect, DefectKind, Protocol, SpanId, TraceId};

use crate::ids::{Id, ResourceName, project};
use crate::notes::defect;
use crate::secrets;
use crate::wire::{Damage, Field, Fields, Names, Payload};

/// Which message a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// `ExportTraceServiceRequest`, or in Cloud Trace v2 `BatchWriteSpansRequest`.
    Batch,
    /// One Cloud Trace v2 `Span`, as `CreateSpan` has it.
    Span,
}

/// What a payload holds, as places in its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walk {
    /// Its spans in the order they stand there.
    pub spans: Vec<SpanPlace>,
    /// What encloses them: at least one where there is a span.
    pub scopes: Vec<ScopePlace>,
    /// The project that the payload names, in Cloud Trace v2 alone: `P` of `projects/P`.
    pub project: Option<String>,
    /// Places from which on the payload could not be walked.
    pub defects: Vec<Defect>,
    /// Spans whose own fields cannot all be walked; they are among `spans` all the same.
    pub damaged_spans: u32,
}

/// Where one span stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanPlace {
    /// The first byte.
    pub at: u32,
    /// How many bytes.
    pub len: u32,
    /// What encloses it, as an index into [`Walk::scopes`].
    pub scope: u32,
    /// Its trace; all zero when unreadable.
    pub trace_id: TraceId,
    /// Its id; all zero when unreadable.
    pub span_id: SpanId,
}

/// Where the things stand that a list of spans shares: the bytes of a `ScopeSpans` around its spans.
/// All of it is empty in Cloud Trace v2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScopePlace {
    /// The resource.
    pub resource: Range<u32>,
    /// The instrumentation scope.
    pub scope: Range<u32>,
    /// The schema URL of the scope or, where it has none, of the resource.
    pub schema_url: Range<u32>,
    /// Index in `resource_spans`.
    pub resource_index: u32,
    /// Index in `scope_spans`.
    pub scope_index: u32,
    /// The first of its spans, as an index into [`Walk::spans`].
    pub first_span: u32,
}

impl SpanPlace {
    /// The span's bytes in the payload it was found in.
    pub fn bytes<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        bytes(payload, &(self.at..self.at + self.len))
    }
}

/// The bytes of a place; none where the place is not in the payload.
pub fn bytes<'a>(payload: &'a [u8], place: &Range<u32>) -> &'a [u8] {
    payload.get(place.start as usize..place.end as usize).unwrap_or_default()
}

impl ScopePlace {
    /// What holds the resource and the scope, in words: `resource_spans[0].scope_spans[1]`.
    pub fn path(&self) -> String {
        format!("resource_spans[{}].scope_spans[{}]", self.resource_index, self.scope_index)
    }
}

impl Walk {
    /// Where a span stands, in words: `resource_spans[0].scope_spans[1].spans[3]`, or `spans[3]` in Cloud Trace v2.
    pub fn path(&self, protocol: Protocol, span: usize) -> String {
        let scope = self.spans.get(span).and_then(|place| self.scopes.get(place.scope as usize));
        match scope {
            Some(scope) if !protocol.is_cloud_trace() => format!(
                "resource_spans[{}].scope_spans[{}].spans[{}]",
                scope.resource_index,
                scope.scope_index,
                span - scope.first_span as usize
            ),
            _ => format!("spans[{span}]"),
        }
    }
}

/// Walks a payload. It never fails: see [`Walk::defects`].
///
/// Payloads of 4 GiB or more cannot be indexed and are not walked.
pub fn walk(protocol: Protocol, message: Message, payload: &[u8]) -> Walk {
    let mut walk = places(protocol, message, payload);
    secrets::of_defects(&mut walk.defects);
    walk
}

fn places(protocol: Protocol, message: Message, payload: &[u8]) -> Walk {
    if u32::try_from(payload.len()).is_err() {
        let defect = defect(DefectKind::Payload, String::new(), "is larger than 4 GiB".to_owned());
        return Walk { defects: vec![defect], ..Walk::default() };
    }
    match protocol {
        Protocol::OtlpHttpJson | Protocol::CloudTraceRest => crate::json::walk(protocol, message, payload),
        Protocol::OtlpGrpc | Protocol::OtlpHttp => {
            let mut walker = Walker::new(payload);
            walker.export_request();
            walker.walk
        }
        Protocol::CloudTraceGrpc => {
            let mut walker = Walker::new(payload);
            match message {
                Message::Batch => walker.batch_write_spans(),
                Message::Span => walker.single_span(),
            }
            walker.walk
        }
    }
}

/// What is known of a span before it is decoded, at the cost of walking its own fields once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Whether all fields of the span could be walked.
    pub(crate) whole: bool,
}

/// The ids of an OTLP span (`trace_id` is field 1, `span_id` 2).
#[inline]
fn otlp_ids(span: &[u8]) -> Ids {
    let mut ids = Ids { whole: true, ..Ids::default() };
    for field in Fields::new(span) {
        match field {
            Ok(field) => match (field.number, field.payload) {
                (1, Payload::Bytes(id)) => ids.trace_id = Id::from_bytes(id).unwrap_or(TraceId::ZERO),
                (2, Payload::Bytes(id)) => ids.span_id = Id::from_bytes(id).unwrap_or(SpanId::ZERO),
                _ => {}
            },
            Err(_) => ids.whole = false,
        }
    }
    ids
}

/// The ids of a Cloud Trace v2 span (`name` is field 1, `span_id` 2), and its name.
#[inline]
fn cloud_trace_ids(span: &[u8]) -> (Ids, &[u8]) {
    let (mut ids, mut name, mut id) = (Ids { whole: true, ..Ids::default() }, &[][..], &[][..]);
    for field in Fields::new(span) {
        match field {
            Ok(field) => match (field.number, field.payload) {
                (1, Payload::Bytes(bytes)) => name = bytes,
                (2, Payload::Bytes(bytes)) => id = bytes,
                _ => {}
            },
            Err(_) => ids.whole = false,
        }
    }
    (ids.trace_id, ids.span_id) = crate::ids::cloud_trace_index(&ResourceName::read(name), id);
    (ids, name)
}

const EXPORT_REQUEST: Names = &["resource_spans"];
const RESOURCE_SPANS: Names = &["resource", "scope_spans", "schema_url"];
const SCOPE_SPANS: Names = &["scope", "spans", "schema_url"];
const BATCH: Names = &["name", "spans"];

struct Walker<'a> {
    payload: &'a [u8],
    walk: Walk,
}

impl<'a> Walker<'a> {
    fn new(payload: &'a [u8]) -> Walker<'a> {
        Walker { payload, walk: Walk::default() }
    }

    /// Where a part of the payload stands.
    fn place(&self, part: &[u8]) -> Range<u32> {
        let at = (part.as_ptr() as usize - self.payload.as_ptr() as usize) as u32;
        at..at + part.len() as u32
    }

    /// Reads the fields of a message whose known ones all carry messages or text, and notes where it cannot be walked on.
    /// What is cut short is read as far as it goes: the spans in front of the damage are whole.
    fn parts(
        &mut self,
        names: Names,
        message: &'a [u8],
        path: impl Fn() -> String,
        mut read: impl FnMut(&mut Self, u32, &'a [u8]),
    ) {
        for field in Fields::new(message) {
            match field {
                Ok(Field { number, payload: Payload::Bytes(bytes) }) => read(self, number, bytes),
                Ok(Field { number, payload }) => {
                    if let Some(name) = names.get(number as usize - 1) {
                        let detail = format!("{name} has the wire type of another field: {payload:?}");
                        self.walk.defects.push(defect(DefectKind::Payload, path(), detail));
                    }
                }
                Err(damage) => {
                    self.walk.defects.push(defect(DefectKind::Payload, path(), damage.to_string()));
                    if let Damage::Cut { number, left, .. } = damage {
                        read(self, number, left);
                    }
                }
            }
        }
    }

    /// `ExportTraceServiceRequest { resource_spans = 1 }`.
    fn export_request(&mut self) {
        let mut index = 0;
        self.parts(EXPORT_REQUEST, self.payload, String::new, |walker, number, bytes| {
            if number == 1 {
                walker.resource_spans(index, bytes);
                index += 1;
            }
        });
    }

    /// `ResourceSpans { resource = 1, scope_spans = 2, schema_url = 3 }`, in any order.
    fn resource_spans(&mut self, resource_index: u32, message: &'a [u8]) {
        let first = self.walk.scopes.len();
        let (mut resource, mut schema_url, mut scope_index) = (0..0, 0..0, 0);
        let path = || format!("resource_spans[{resource_index}]");
        self.parts(RESOURCE_SPANS, message, path, |walker, number, bytes| match number {
            1 => resource = walker.place(bytes),
            2 => {
                walker.scope_spans(resource_index, scope_index, bytes);
                scope_index += 1;
            }
            3 => schema_url = walker.place(bytes),
            _ => {}
        });
        for scope in &mut self.walk.scopes[first..] {
            scope.resource = resource.clone();
            if scope.schema_url.is_empty() {
                scope.schema_url = schema_url.clone();
            }
        }
    }

    /// `ScopeSpans { scope = 1, spans = 2, schema_url = 3 }`, in any order.
    fn scope_spans(&mut self, resource_index: u32, scope_index: u32, message: &'a [u8]) {
        let index = self.walk.scopes.len() as u32;
        let first_span = self.walk.spans.len() as u32;
        let (mut scope, mut schema_url) = (0..0, 0..0);
        let path = || format!("resource_spans[{resource_index}].scope_spans[{scope_index}]");
        self.parts(SCOPE_SPANS, message, path, |walker, number, bytes| match number {
            1 => scope = walker.place(bytes),
            2 => walker.span(index, otlp_ids(bytes), bytes),
            3 => schema_url = walker.place(bytes),
            _ => {}
        });
        let resource = 0..0;
        let place = ScopePlace { resource, scope, schema_url, resource_index, scope_index, first_span };
        self.walk.scopes.push(place);
    }

    /// `BatchWriteSpansRequest { name = 1, spans = 2 }`.
    fn batch_write_spans(&mut self) {
        self.walk.scopes.push(ScopePlace::default());
        self.parts(BATCH, self.payload, String::new, |walker, number, bytes| match number {
            1 => walker.walk.project = project(bytes),
            2 => walker.span(0, cloud_trace_ids(bytes).0, bytes),
            _ => {}
        });
    }

    /// One `Span`, which is the whole payload.
    fn single_span(&mut self) {
        self.walk.scopes.push(ScopePlace::default());
        let (ids, name) = cloud_trace_ids(self.payload);
        self.walk.project = project(name);
        self.span(0, ids, self.payload);
    }

    fn span(&mut self, scope: u32, ids: Ids, bytes: &[u8]) {
        let at = self.place(bytes).start;
        self.walk.damaged_spans += u32::from(!ids.whole);
        let Ids { trace_id, span_id, .. } = ids;
        self.walk.spans.push(SpanPlace { at, len: bytes.len() as u32, scope, trace_id, span_id });
    }
}
