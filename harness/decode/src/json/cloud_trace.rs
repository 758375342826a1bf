//! Cloud Trace v2 in proto3 JSON to model, leniently (googleapis, `google/devtools/cloudtrace/v2/trace.proto`).

use spanwise_model::{Event, IdField, Link, Span, Status, Value};

use super::{Json, Object, time};
use crate::cloud_trace::parent_is_remote;
use crate::ids;
use crate::map::{self, Attributes};
use crate::notes::Notes;

/// Reads a span; the protocol is for the caller to add.
pub(crate) fn span(object: &Object<'_>, notes: &mut Notes) -> Span {
    let mut span = Span::default();
    let mut malformed = Vec::new();
    let (name, span_id) = (object.text("name", notes), object.text("span_id", notes));
    (span.trace_id, span.span_id) = ids::cloud_trace(&name, &span_id, &mut malformed);
    let parent = object.text("parent_span_id", notes);
    if !parent.is_empty() {
        let id = ids::text(IdField::Parent, &parent, true, &mut malformed);
        span.parent_span_id = ids::parent(id, &malformed);
    }
    span.name = object.field("display_name", notes, name_text).unwrap_or_default();
    span.start = object.field("start_time", notes, timestamp).unwrap_or(0);
    span.end = object.field("end_time", notes, timestamp).unwrap_or(0);
    (span.attributes, span.dropped_attributes) =
        object.field("attributes", notes, attributes).unwrap_or_default();
    (span.events, span.dropped_events) = object.field("time_events", notes, time_events).unwrap_or_default();
    let links = |json: &Json<'_>, notes: &mut Notes| links(json, &mut malformed, notes);
    (span.links, span.dropped_links) = object.field("links", notes, links).unwrap_or_default();
    span.status = object.field("status", notes, status).unwrap_or_default();
    let same = object.field("same_process_as_parent_span", notes, bool_value);
    let kind = |json: &Json<'_>, notes: &mut Notes| {
        json.enumeration(map::kind_number, notes).map(|number| map::kind(number, "", notes))
    };
    span.kind = object.field("span_kind", notes, kind).unwrap_or_default();
    span.parent_is_remote = parent_is_remote(same, span.kind);
    span.malformed_ids = malformed;
    span
}

/// A `TruncatableString` that is the name of a span.
fn name_text(json: &Json<'_>, notes: &mut Notes) -> Option<String> {
    truncatable(json, map::LEAST_NAME, notes)
}

/// A `TruncatableString` that is the value of a label or the name of an event.
fn value_text(json: &Json<'_>, notes: &mut Notes) -> Option<String> {
    truncatable(json, map::LEAST_TEXT, notes)
}

/// A `TruncatableString`; a plain string is taken for one.
fn truncatable(json: &Json<'_>, least_limit: usize, notes: &mut Notes) -> Option<String> {
    match json {
        Json::Text(_) | Json::Mended(_) => json.text(notes).map(str::to_owned),
        other => {
            let object = other.object(notes)?;
            let text = object.text("value", notes);
            let cut_off = object.field("truncated_byte_count", notes, Json::int).unwrap_or(0);
            map::truncated(&text, cut_off, least_limit, notes);
            Some(text)
        }
    }
}

/// RFC 3339, as proto3 JSON has it; also `{seconds, nanos}`.
fn timestamp(json: &Json<'_>, notes: &mut Notes) -> Option<u64> {
    match json {
        Json::Text(text) => match time::read(text) {
            Some((seconds, nanos)) => Some(map::nanos(seconds, nanos, "", notes)),
            None => {
                notes.add("", format!("{text:?} is not a time of RFC 3339"));
                None
            }
        },
        other => {
            let object = other.object(notes)?;
            let seconds = object.field("seconds", notes, Json::int).unwrap_or(0);
            let nanos = object.field("nanos", notes, Json::int).unwrap_or(0);
            Some(map::nanos(seconds, nanos, "", notes))
        }
    }
}

/// A `BoolValue`, which is a plain boolean in proto3 JSON; also `{value}`.
fn bool_value(json: &Json<'_>, notes: &mut Notes) -> Option<bool> {
    match json {
        Json::Object(object) => Some(object.field("value", notes, Json::bool).unwrap_or(false)),
        other => other.bool(notes),
    }
}

fn rpc_code(name: &str) -> Option<i64> {
    name.parse().ok().map(spanwise_model::GrpcCode::number)
}

fn status(json: &Json<'_>, notes: &mut Notes) -> Option<Status> {
    let object = json.object(notes)?;
    let code = object.field("code", notes, |json, notes| json.enumeration(rpc_code, notes)).unwrap_or(0);
    let message = object.text("message", notes);
    Some(map::rpc_status(i32::try_from(code).unwrap_or(i32::MAX), message))
}

/// Labels in the order they were written, and how many were dropped.
fn attributes(json: &Json<'_>, notes: &mut Notes) -> Option<(Attributes, u32)> {
    let object = json.object(notes)?;
    let labels = object.field("attribute_map", notes, |json, notes| {
        let entries = json.object(notes)?.0.iter();
        let label = |(key, value): &(_, _)| {
            let key: &std::borrow::Cow<'_, str> = key;
            let value = notes.within(|| format!("{key:?}"), |notes| attribute_value(value, notes));
            (key.clone().into_owned(), value.unwrap_or(map::EMPTY))
        };
        Some(entries.map(label).collect())
    });
    Some((labels.unwrap_or_default(), object.count("dropped_attributes_count", notes)))
}

fn attribute_value(json: &Json<'_>, notes: &mut Notes) -> Option<Value> {
    if *json == Json::Null {
        return None;
    }
    let object = json.object(notes)?;
    object
        .field("string_value", notes, |json, notes| value_text(json, notes).map(Value::Str))
        .or_else(|| object.field("int_value", notes, Json::int).map(Value::Int))
        .or_else(|| object.field("bool_value", notes, Json::bool).map(Value::Bool))
}

/// Events and how many were dropped.
fn time_events(json: &Json<'_>, notes: &mut Notes) -> Option<(Vec<Event>, u32)> {
    let object = json.object(notes)?;
    let events = object.items("time_event", notes, time_event);
    let annotations = object.count("dropped_annotations_count", notes);
    let messages = object.count("dropped_message_events_count", notes);
    Some((events, annotations.saturating_add(messages)))
}

fn time_event(json: &Json<'_>, notes: &mut Notes) -> Option<Event> {
    let object = json.object(notes)?;
    let time = object.field("time", notes, timestamp).unwrap_or(0);
    let event = object
        .field("annotation", notes, annotation)
        .or_else(|| object.field("message_event", notes, message_event))
        .unwrap_or_default();
    Some(Event { time, ..event })
}

fn annotation(json: &Json<'_>, notes: &mut Notes) -> Option<Event> {
    let object = json.object(notes)?;
    let name = object.field("description", notes, value_text).unwrap_or_default();
    let attributes = object.field("attributes", notes, attributes).unwrap_or_default().0;
    Some(Event { name, time: 0, attributes })
}

fn message_event(json: &Json<'_>, notes: &mut Notes) -> Option<Event> {
    let object = json.object(notes)?;
    let by_name = |name: &str| map::MESSAGE_TYPES.iter().position(|known| *known == name).map(|at| at as i64);
    let kind = object.field("type", notes, |json, notes| json.enumeration(by_name, notes)).unwrap_or(0);
    let kind = usize::try_from(kind).ok().and_then(|at| map::MESSAGE_TYPES.get(at)).copied();
    let number = |name, notes: &mut Notes| object.field(name, notes, Json::int).unwrap_or(0);
    Some(map::message_event(
        kind.unwrap_or(map::MESSAGE_TYPES[0]),
        number("id", notes),
        number("uncompressed_size_bytes", notes),
        number("compressed_size_bytes", notes),
    ))
}

/// Links and how many were dropped.
fn links(json: &Json<'_>, malformed: &mut ids::Malformed, notes: &mut Notes) -> Option<(Vec<Link>, u32)> {
    let object = json.object(notes)?;
    let links = object.items("link", notes, |json, notes| {
        let object = json.object(notes)?;
        Some(Link {
            trace_id: ids::text(IdField::Link, &object.text("trace_id", notes), true, malformed),
            span_id: ids::text(IdField::Link, &object.text("span_id", notes), true, malformed),
            attributes: object.field("attributes", notes, attributes).unwrap_or_default().0,
        })
    });
    Some((links, object.count("dropped_links_count", notes)))
}
