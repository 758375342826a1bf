//! OTLP JSON to model (opentelemetry-proto, `docs/specification.md`, section JSON Protobuf Encoding), leniently.

use spanwise_model::{Event, IdField, Link, Resource, Scope, Span, Status, Value};

use super::{Json, Object};
use crate::ids;
use crate::map::{self, Attributes};
use crate::notes::Notes;

/// Reads a span; resource, scope and protocol are for the caller to add.
pub(crate) fn span(object: &Object<'_>, notes: &mut Notes) -> Span {
    let mut span = Span::default();
    let mut malformed = Vec::new();
    let id = |name, notes: &mut Notes| object.text(name, notes);
    span.trace_id = ids::text(IdField::Trace, &id("trace_id", notes), false, &mut malformed);
    span.span_id = ids::text(IdField::Span, &id("span_id", notes), false, &mut malformed);
    let parent = id("parent_span_id", notes);
    if !parent.is_empty() {
        let id = ids::text(IdField::Parent, &parent, false, &mut malformed);
        span.parent_span_id = ids::parent(id, &malformed);
    }
    span.trace_state = object.text("trace_state", notes);
    span.name = object.text("name", notes);
    let kind = |json: &Json<'_>, notes: &mut Notes| {
        json.enumeration(map::kind_number, notes).map(|number| map::kind(number, "", notes))
    };
    span.kind = object.field("kind", notes, kind).unwrap_or_default();
    span.start = object.field("start_time_unix_nano", notes, Json::unsigned).unwrap_or(0);
    span.end = object.field("end_time_unix_nano", notes, Json::unsigned).unwrap_or(0);
    span.attributes = attributes(object, "attributes", notes);
    span.dropped_attributes = object.count("dropped_attributes_count", notes);
    span.events = object.items("events", notes, event);
    span.dropped_events = object.count("dropped_events_count", notes);
    span.links = object.items("links", notes, |json, notes| link(json, &mut malformed, notes));
    span.dropped_links = object.count("dropped_links_count", notes);
    span.status = object.field("status", notes, status).unwrap_or_default();
    let flags = object.field("flags", notes, Json::int).unwrap_or(0);
    span.parent_is_remote = map::parent_is_remote(u32::try_from(flags).unwrap_or(0));
    span.malformed_ids = malformed;
    span
}

/// Reads a resource.
pub(crate) fn resource(object: &Object<'_>, notes: &mut Notes) -> Resource {
    Resource { attributes: attributes(object, "attributes", notes) }
}

/// Reads an instrumentation scope; the schema URL stands outside it.
pub(crate) fn scope(object: &Object<'_>, notes: &mut Notes) -> Scope {
    Scope { name: object.text("name", notes), version: object.text("version", notes), ..Scope::default() }
}

fn event(json: &Json<'_>, notes: &mut Notes) -> Option<Event> {
    let object = json.object(notes)?;
    Some(Event {
        name: object.text("name", notes),
        time: object.field("time_unix_nano", notes, Json::unsigned).unwrap_or(0),
        attributes: attributes(object, "attributes", notes),
    })
}

fn link(json: &Json<'_>, malformed: &mut ids::Malformed, notes: &mut Notes) -> Option<Link> {
    let object = json.object(notes)?;
    Some(Link {
        trace_id: ids::text(IdField::Link, &object.text("trace_id", notes), false, malformed),
        span_id: ids::text(IdField::Link, &object.text("span_id", notes), false, malformed),
        attributes: attributes(object, "attributes", notes),
    })
}

fn status(json: &Json<'_>, notes: &mut Notes) -> Option<Status> {
    let object = json.object(notes)?;
    let code = object.field("code", notes, |json, notes| {
        json.enumeration(map::status_number, notes).map(|number| map::status_code(number, "", notes))
    });
    Some(Status { code: code.unwrap_or_default(), message: object.text("message", notes), rpc_code: None })
}

/// A list of `KeyValue`.
pub(crate) fn attributes(object: &Object<'_>, name: &'static str, notes: &mut Notes) -> Attributes {
    object.items(name, notes, |json, notes| {
        let pair = json.object(notes)?;
        let value = pair.field("value", notes, any_value).unwrap_or(map::EMPTY);
        Some((pair.text("key", notes), value))
    })
}

/// An `AnyValue`; one that says nothing is empty, and keeps its place in a list. Depth is bounded by the JSON reader.
fn any_value(json: &Json<'_>, notes: &mut Notes) -> Option<Value> {
    let object = json.object(notes)?;
    let text = |json: &Json<'_>, notes: &mut Notes| json.text(notes).map(Value::from);
    let bytes = |json: &Json<'_>, notes: &mut Notes| {
        let bytes = ids::base64(json.text(notes)?);
        if bytes.is_none() {
            notes.add("", "is not base64");
        }
        bytes.map(Value::Bytes)
    };
    let array = |json: &Json<'_>, notes: &mut Notes| {
        Some(Value::Array(json.object(notes)?.items("values", notes, any_value)))
    };
    let entries = |json: &Json<'_>, notes: &mut Notes| {
        Some(Value::Map(attributes(json.object(notes)?, "values", notes)))
    };
    let value = object
        .field("string_value", notes, text)
        .or_else(|| object.field("bool_value", notes, Json::bool).map(Value::Bool))
        .or_else(|| object.field("int_value", notes, Json::int).map(Value::Int))
        .or_else(|| object.field("double_value", notes, Json::double).map(Value::Double))
        .or_else(|| object.field("array_value", notes, array))
        .or_else(|| object.field("kvlist_value", notes, entries))
        .or_else(|| object.field("bytes_value", notes, bytes));
    Some(value.unwrap_or(map::EMPTY))
}
