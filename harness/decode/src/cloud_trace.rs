//! Cloud Trace v2 protobuf to model: `Span` (googleapis, `google/devtools/cloudtrace/v2/trace.proto`).

use spanwise_model::{Event, IdField, Link, Span, SpanKind, Status, Value};

use crate::ids::{self, ResourceName};
use crate::map::{self, Attributes};
use crate::notes::Notes;
use crate::span::Head;
use crate::wire::{Fields, Names, Payload, each};

const SPAN: Names = &[
    "name",
    "span_id",
    "parent_span_id",
    "display_name",
    "start_time",
    "end_time",
    "attributes",
    "stack_trace",
    "time_events",
    "links",
    "status",
    "same_process_as_parent_span",
    "child_span_count",
    "span_kind",
];
const ATTRIBUTES: Names = &["attribute_map", "dropped_attributes_count"];
const ENTRY: Names = &["key", "value"];
const ATTRIBUTE_VALUE: Names = &["string_value", "int_value", "bool_value"];
const TRUNCATABLE: Names = &["value", "truncated_byte_count"];
const TIMESTAMP: Names = &["seconds", "nanos"];
const TIME_EVENTS: Names = &["time_event", "dropped_annotations_count", "dropped_message_events_count"];
const TIME_EVENT: Names = &["time", "annotation", "message_event"];
const ANNOTATION: Names = &["description", "attributes"];
const MESSAGE_EVENT: Names = &["type", "id", "uncompressed_size_bytes", "compressed_size_bytes"];
const LINKS: Names = &["link", "dropped_links_count"];
const LINK: Names = &["trace_id", "span_id", "type", "attributes"];
const STATUS: Names = &["code", "message", "details"];
const BOOL_VALUE: Names = &["value"];

/// Reads a span; the protocol is for the caller to add.
pub(crate) fn span(bytes: &[u8], notes: &mut Notes) -> Span {
    let mut span = Span::default();
    let (mut name, mut span_id, mut parent) = (String::new(), String::new(), String::new());
    let mut same_process = None;
    each(SPAN, bytes, notes, |field, notes| match field.number() {
        1 => name = field.text(notes).unwrap_or_default(),
        2 => span_id = field.text(notes).unwrap_or_default(),
        3 => parent = field.text(notes).unwrap_or_default(),
        4 => span.name = field.message(notes, name_text).unwrap_or_default(),
        5 => span.start = field.message(notes, timestamp).unwrap_or(0),
        6 => span.end = field.message(notes, timestamp).unwrap_or(0),
        7 => {
            let (attributes, dropped) = field.message(notes, attributes).unwrap_or_default();
            span.attributes.extend(attributes);
            span.dropped_attributes = dropped;
        }
        9 => {
            let (events, dropped) = field.message(notes, time_events).unwrap_or_default();
            span.events.extend(events);
            span.dropped_events = dropped;
        }
        10 => {
            let malformed = &mut span.malformed_ids;
            let links = field.message(notes, |bytes, notes| links(bytes, malformed, notes));
            let (links, dropped) = links.unwrap_or_default();
            span.links.extend(links);
            span.dropped_links = dropped;
        }
        11 => span.status = field.message(notes, status).unwrap_or_default(),
        12 => same_process = field.message(notes, bool_value),
        14 => span.kind = map::kind(field.varint(notes).unwrap_or(0) as i64, "span_kind", notes),
        _ => {}
    });
    span.parent_is_remote = parent_is_remote(same_process, span.kind);
    (span.trace_id, span.span_id) = ids::cloud_trace(&name, &span_id, &mut span.malformed_ids);
    if !parent.is_empty() {
        let id = ids::text(IdField::Parent, &parent, true, &mut span.malformed_ids);
        span.parent_span_id = ids::parent(id, &span.malformed_ids);
    }
    span
}

/// What `same_process_as_parent_span` says. Some exporters write `true` on every span; where a call comes in, that says
/// nothing.
pub(crate) fn parent_is_remote(same_process: Option<bool>, kind: SpanKind) -> Option<bool> {
    let is_called = matches!(kind, SpanKind::Server | SpanKind::Consumer);
    same_process.filter(|same| !(*same && is_called)).map(|same| !same)
}

/// Reads the head of a span, skipping everything else.
pub(crate) fn head(bytes: &[u8]) -> Head {
    let (mut name, mut span_id, mut parent, mut kind) = (&[][..], &[][..], &[][..], 0);
    for field in Fields::new(bytes).flatten() {
        match (field.number, field.payload) {
            (1, Payload::Bytes(bytes)) => name = bytes,
            (2, Payload::Bytes(bytes)) => span_id = bytes,
            (3, Payload::Bytes(bytes)) => parent = bytes,
            (14, Payload::Varint(number)) => kind = number as i64,
            _ => {}
        }
    }
    let (trace_id, span_id) = ids::cloud_trace_index(&ResourceName::read(name), span_id);
    let mut malformed = Vec::new();
    let parent = (!parent.is_empty())
        .then(|| ids::text(IdField::Parent, &String::from_utf8_lossy(parent), true, &mut malformed));
    Head {
        trace_id,
        span_id,
        parent_span_id: parent.and_then(|id| ids::parent(id, &malformed)),
        kind: map::kind(kind, "", &mut Notes::default()),
    }
}

/// A `TruncatableString` that is the name of a span.
fn name_text(bytes: &[u8], notes: &mut Notes) -> String {
    truncatable(bytes, map::LEAST_NAME, notes)
}

/// A `TruncatableString` that is the value of a label or the name of an event.
fn value_text(bytes: &[u8], notes: &mut Notes) -> String {
    truncatable(bytes, map::LEAST_TEXT, notes)
}

fn truncatable(bytes: &[u8], least_limit: usize, notes: &mut Notes) -> String {
    let (mut text, mut cut_off) = (String::new(), 0);
    each(TRUNCATABLE, bytes, notes, |field, notes| match field.number() {
        1 => text = field.text(notes).unwrap_or_default(),
        2 => cut_off = field.varint(notes).unwrap_or(0) as i64,
        _ => {}
    });
    map::truncated(&text, cut_off, least_limit, notes);
    text
}

fn timestamp(bytes: &[u8], notes: &mut Notes) -> u64 {
    let (mut seconds, mut nanos) = (0, 0);
    each(TIMESTAMP, bytes, notes, |field, notes| match field.number() {
        1 => seconds = field.varint(notes).unwrap_or(0) as i64,
        2 => nanos = field.varint(notes).unwrap_or(0) as i64,
        _ => {}
    });
    map::nanos(seconds, nanos, "", notes)
}

fn bool_value(bytes: &[u8], notes: &mut Notes) -> bool {
    let mut truth = false;
    each(BOOL_VALUE, bytes, notes, |field, notes| {
        if field.number() == 1 {
            truth = field.varint(notes) != Some(0);
        }
    });
    truth
}

fn status(bytes: &[u8], notes: &mut Notes) -> Status {
    let (mut code, mut message) = (0, String::new());
    each(STATUS, bytes, notes, |field, notes| match field.number() {
        1 => code = field.varint(notes).unwrap_or(0) as i32,
        2 => message = field.text(notes).unwrap_or_default(),
        _ => {}
    });
    map::rpc_status(code, message)
}

/// Labels and how many were dropped.
fn attributes(bytes: &[u8], notes: &mut Notes) -> (Attributes, u32) {
    let (mut attributes, mut dropped) = (Attributes::new(), 0);
    each(ATTRIBUTES, bytes, notes, |field, notes| match field.number() {
        1 => {
            let entry = field.item(attributes.len(), notes, |bytes, notes| {
                let (mut key, mut value) = (String::new(), None);
                each(ENTRY, bytes, notes, |field, notes| match field.number() {
                    1 => key = field.text(notes).unwrap_or_default(),
                    2 => value = field.message(notes, attribute_value),
                    _ => {}
                });
                (key, value.unwrap_or(map::EMPTY))
            });
            attributes.extend(entry);
        }
        2 => dropped = field.count(notes).unwrap_or(0),
        _ => {}
    });
    (attributes, dropped)
}

fn attribute_value(bytes: &[u8], notes: &mut Notes) -> Value {
    let mut value = map::EMPTY;
    each(ATTRIBUTE_VALUE, bytes, notes, |field, notes| {
        let read = match field.number() {
            1 => field.message(notes, value_text).map(Value::Str),
            2 => field.varint(notes).map(|number| Value::Int(number as i64)),
            3 => field.varint(notes).map(|truth| Value::Bool(truth != 0)),
            _ => None,
        };
        if let Some(read) = read {
            value = read;
        }
    });
    value
}

/// Events and how many were dropped.
fn time_events(bytes: &[u8], notes: &mut Notes) -> (Vec<Event>, u32) {
    let (mut events, mut dropped) = (Vec::new(), 0u32);
    each(TIME_EVENTS, bytes, notes, |field, notes| match field.number() {
        1 => events.extend(field.item(events.len(), notes, time_event)),
        2 | 3 => dropped = dropped.saturating_add(field.count(notes).unwrap_or(0)),
        _ => {}
    });
    (events, dropped)
}

fn time_event(bytes: &[u8], notes: &mut Notes) -> Event {
    let (mut event, mut time) = (Event::default(), 0);
    each(TIME_EVENT, bytes, notes, |field, notes| match field.number() {
        1 => time = field.message(notes, timestamp).unwrap_or(0),
        2 => event = field.message(notes, annotation).unwrap_or_default(),
        3 => event = field.message(notes, message_event).unwrap_or_default(),
        _ => {}
    });
    Event { time, ..event }
}

fn annotation(bytes: &[u8], notes: &mut Notes) -> Event {
    let mut event = Event::default();
    each(ANNOTATION, bytes, notes, |field, notes| match field.number() {
        1 => event.name = field.message(notes, value_text).unwrap_or_default(),
        2 => event.attributes = field.message(notes, attributes).unwrap_or_default().0,
        _ => {}
    });
    event
}

fn message_event(bytes: &[u8], notes: &mut Notes) -> Event {
    let mut numbers = [0; 4];
    each(MESSAGE_EVENT, bytes, notes, |field, notes| {
        if let Some(number) = numbers.get_mut(field.number() as usize - 1) {
            *number = field.varint(notes).unwrap_or(0) as i64;
        }
    });
    let [kind, id, uncompressed, compressed] = numbers;
    let kind = usize::try_from(kind).ok().and_then(|at| map::MESSAGE_TYPES.get(at)).copied();
    map::message_event(kind.unwrap_or(map::MESSAGE_TYPES[0]), id, uncompressed, compressed)
}

/// Links and how many were dropped.
fn links(bytes: &[u8], malformed: &mut ids::Malformed, notes: &mut Notes) -> (Vec<Link>, u32) {
    let (mut links, mut dropped) = (Vec::new(), 0);
    each(LINKS, bytes, notes, |field, notes| match field.number() {
        1 => links.extend(field.item(links.len(), notes, |bytes, notes| link(bytes, malformed, notes))),
        2 => dropped = field.count(notes).unwrap_or(0),
        _ => {}
    });
    (links, dropped)
}

fn link(bytes: &[u8], malformed: &mut ids::Malformed, notes: &mut Notes) -> Link {
    let (mut trace_id, mut span_id, mut labels) = (String::new(), String::new(), Attributes::new());
    each(LINK, bytes, notes, |field, notes| match field.number() {
        1 => trace_id = field.text(notes).unwrap_or_default(),
        2 => span_id = field.text(notes).unwrap_or_default(),
        4 => labels = field.message(notes, attributes).unwrap_or_default().0,
        _ => {}
    });
    Link {
        trace_id: ids::text(IdField::Link, &trace_id, true, malformed),
        span_id: ids::text(IdField::Link, &span_id, true, malformed),
        attributes: labels,
    }
}
