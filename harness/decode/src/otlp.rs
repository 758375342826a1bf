//! OTLP protobuf to model: `Span`, `Resource` and `InstrumentationScope`
//! (opentelemetry-proto, `trace/v1/trace.proto`, `common/v1/common.proto`, `resource/v1/resource.proto`).

use spanwise_model::{Event, IdField, Link, Resource, Scope, Span, SpanId, Status, TraceId, Value};

use crate::ids::{self, Id};
use crate::map::{self, Attributes};
use crate::notes::Notes;
use crate::span::Head;
use crate::wire::{Fields, Names, Payload, Reader, each};

const SPAN: Names = &[
    "trace_id",
    "span_id",
    "trace_state",
    "parent_span_id",
    "name",
    "kind",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "attributes",
    "dropped_attributes_count",
    "events",
    "dropped_events_count",
    "links",
    "dropped_links_count",
    "status",
    "flags",
];
const EVENT: Names = &["time_unix_nano", "name", "attributes", "dropped_attributes_count"];
const LINK: Names =
    &["trace_id", "span_id", "trace_state", "attributes", "dropped_attributes_count", "flags"];
const STATUS: Names = &["", "message", "code"];
const RESOURCE: Names = &["attributes", "dropped_attributes_count", "entity_refs"];
const SCOPE: Names = &["name", "version", "attributes", "dropped_attributes_count"];
const KEY_VALUE: Names = &["key", "value"];
const ANY_VALUE: Names = &[
    "string_value",
    "bool_value",
    "int_value",
    "double_value",
    "array_value",
    "kvlist_value",
    "bytes_value",
];
const LIST: Names = &["values"];

/// Values within values beyond this depth are not read: nothing real nests so deep, and the stack is finite.
const DEEPEST: usize = 32;

/// Reads a span; resource, scope and protocol are for the caller to add.
pub(crate) fn span(bytes: &[u8], notes: &mut Notes) -> Span {
    let mut span = Span::default();
    let (mut trace_id, mut span_id, mut parent) = (&[][..], &[][..], &[][..]);
    each(SPAN, bytes, notes, |field, notes| match field.number() {
        1 => trace_id = field.bytes(notes).unwrap_or_default(),
        2 => span_id = field.bytes(notes).unwrap_or_default(),
        3 => span.trace_state = field.text(notes).unwrap_or_default(),
        4 => parent = field.bytes(notes).unwrap_or_default(),
        5 => span.name = field.text(notes).unwrap_or_default(),
        6 => span.kind = map::kind(field.varint(notes).unwrap_or(0) as i64, "kind", notes),
        7 => span.start = field.fixed64(notes).unwrap_or(0),
        8 => span.end = field.fixed64(notes).unwrap_or(0),
        9 => attribute(field, &mut span.attributes, 0, notes),
        10 => span.dropped_attributes = field.count(notes).unwrap_or(0),
        11 => span.events.extend(field.item(span.events.len(), notes, event)),
        12 => span.dropped_events = field.count(notes).unwrap_or(0),
        13 => {
            let index = span.links.len();
            let malformed = &mut span.malformed_ids;
            let link = field.item(index, notes, |bytes, notes| link(bytes, malformed, notes));
            span.links.extend(link);
        }
        14 => span.dropped_links = field.count(notes).unwrap_or(0),
        15 => span.status = field.message(notes, status).unwrap_or_default(),
        16 => span.parent_is_remote = map::parent_is_remote(field.fixed32(notes).unwrap_or(0)),
        _ => {}
    });
    span.trace_id = ids::binary(IdField::Trace, trace_id, &mut span.malformed_ids);
    span.span_id = ids::binary(IdField::Span, span_id, &mut span.malformed_ids);
    if !parent.is_empty() {
        let id = ids::binary(IdField::Parent, parent, &mut span.malformed_ids);
        span.parent_span_id = ids::parent(id, &span.malformed_ids);
    }
    span
}

/// Reads the head of a span, skipping everything else.
pub(crate) fn head(bytes: &[u8]) -> Head {
    let (mut trace_id, mut span_id, mut parent, mut kind) = (&[][..], &[][..], &[][..], 0);
    for field in Fields::new(bytes).flatten() {
        match (field.number, field.payload) {
            (1, Payload::Bytes(bytes)) => trace_id = bytes,
            (2, Payload::Bytes(bytes)) => span_id = bytes,
            (4, Payload::Bytes(bytes)) => parent = bytes,
            (6, Payload::Varint(number)) => kind = number as i64,
            _ => {}
        }
    }
    Head {
        trace_id: Id::from_bytes(trace_id).unwrap_or(TraceId::ZERO),
        span_id: Id::from_bytes(span_id).unwrap_or(SpanId::ZERO),
        parent_span_id: Id::from_bytes(parent),
        kind: map::kind(kind, "", &mut Notes::default()),
    }
}

/// Reads a resource.
pub(crate) fn resource(bytes: &[u8], notes: &mut Notes) -> Resource {
    let mut resource = Resource::default();
    each(RESOURCE, bytes, notes, |field, notes| {
        if field.number() == 1 {
            attribute(field, &mut resource.attributes, 0, notes);
        }
    });
    resource
}

/// Reads an instrumentation scope; the schema URL stands outside it.
pub(crate) fn scope(bytes: &[u8], notes: &mut Notes) -> Scope {
    let mut scope = Scope::default();
    each(SCOPE, bytes, notes, |field, notes| match field.number() {
        1 => scope.name = field.text(notes).unwrap_or_default(),
        2 => scope.version = field.text(notes).unwrap_or_default(),
        _ => {}
    });
    scope
}

fn event(bytes: &[u8], notes: &mut Notes) -> Event {
    let mut event = Event::default();
    each(EVENT, bytes, notes, |field, notes| match field.number() {
        1 => event.time = field.fixed64(notes).unwrap_or(0),
        2 => event.name = field.text(notes).unwrap_or_default(),
        3 => attribute(field, &mut event.attributes, 0, notes),
        _ => {}
    });
    event
}

fn link(bytes: &[u8], malformed: &mut ids::Malformed, notes: &mut Notes) -> Link {
    let (mut trace_id, mut span_id, mut attributes) = (&[][..], &[][..], Attributes::new());
    each(LINK, bytes, notes, |field, notes| match field.number() {
        1 => trace_id = field.bytes(notes).unwrap_or_default(),
        2 => span_id = field.bytes(notes).unwrap_or_default(),
        4 => attribute(field, &mut attributes, 0, notes),
        _ => {}
    });
    let trace_id = ids::binary(IdField::Link, trace_id, malformed);
    Link { trace_id, span_id: ids::binary(IdField::Link, span_id, malformed), attributes }
}

fn status(bytes: &[u8], notes: &mut Notes) -> Status {
    let mut status = Status::default();
    each(STATUS, bytes, notes, |field, notes| match field.number() {
        2 => status.message = field.text(notes).unwrap_or_default(),
        3 => status.code = map::status_code(field.varint(notes).unwrap_or(0) as i64, "code", notes),
        _ => {}
    });
    status
}

/// Reads a `KeyValue` of a repeated field and adds it.
fn attribute(field: Reader<'_>, attributes: &mut Attributes, depth: usize, notes: &mut Notes) {
    let pair = field.item(attributes.len(), notes, |bytes, notes| {
        let (mut key, mut value) = (String::new(), None);
        each(KEY_VALUE, bytes, notes, |field, notes| match field.number() {
            1 => key = field.text(notes).unwrap_or_default(),
            2 => value = field.message(notes, |bytes, notes| any_value(bytes, depth, notes)),
            _ => {}
        });
        (key, value.unwrap_or(map::EMPTY))
    });
    attributes.extend(pair);
}

fn any_value(bytes: &[u8], depth: usize, notes: &mut Notes) -> Value {
    let mut value = map::EMPTY;
    if depth > DEEPEST {
        notes.add("", "is nested too deep to be read");
        return value;
    }
    each(ANY_VALUE, bytes, notes, |field, notes| {
        let read = match field.number() {
            1 => field.text(notes).map(Value::Str),
            2 => field.varint(notes).map(|truth| Value::Bool(truth != 0)),
            3 => field.varint(notes).map(|number| Value::Int(number as i64)),
            4 => field.fixed64(notes).map(|bits| Value::Double(f64::from_bits(bits))),
            5 => field.message(notes, |bytes, notes| array(bytes, depth + 1, notes)),
            6 => field.message(notes, |bytes, notes| map_value(bytes, depth + 1, notes)),
            7 => field.bytes(notes).map(|bytes| Value::Bytes(bytes.to_vec())),
            _ => None,
        };
        if let Some(read) = read {
            value = read;
        }
    });
    value
}

fn array(bytes: &[u8], depth: usize, notes: &mut Notes) -> Value {
    let mut items = Vec::new();
    each(LIST, bytes, notes, |field, notes| {
        if field.number() == 1 {
            items.extend(field.item(items.len(), notes, |bytes, notes| any_value(bytes, depth, notes)));
        }
    });
    Value::Array(items)
}

fn map_value(bytes: &[u8], depth: usize, notes: &mut Notes) -> Value {
    let mut entries = Attributes::new();
    each(LIST, bytes, notes, |field, notes| {
        if field.number() == 1 {
            attribute(field, &mut entries, depth, notes);
        }
    });
    Value::Map(entries)
}
