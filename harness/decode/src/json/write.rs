//! Model spans to OTLP JSON (opentelemetry-proto, `docs/specification.md`, section JSON Protobuf Encoding): ids in
//! hexadecimal digits, 64-bit integers in strings, enumerations as numbers.
//!
//! Read back, they are the same spans as far as OTLP has words for them. It has none for the number of a Cloud Trace status,
//! the resource name of a Cloud Trace span, and digits of an id that are upper case.

use std::iter::Peekable;

use serde::{Serialize, Serializer};
use spanwise_model::{Event, IdField, Link, MalformedId, Span, StatusCode, Value};

use crate::ids::{self, Id};
use crate::map;

/// Spans as an `ExportTraceServiceRequest` in JSON, without line breaks. Neighbors of one resource and scope stand together.
pub fn write_otlp(spans: &[Span]) -> String {
    let of_resource = spans.chunk_by(|one, next| one.resource == next.resource);
    let resource_spans = of_resource.map(|spans| ResourceSpans {
        resource: Resource { attributes: Attributes(&spans[0].resource.attributes) },
        scope_spans: spans.chunk_by(|one, next| one.scope == next.scope).map(ScopeSpans::of).collect(),
    });
    let request = Request { resource_spans: resource_spans.collect() };
    // Strings and numbers alone, and keys that are texts: nothing that could fail.
    serde_json::to_string(&request).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'s> {
    resource_spans: Vec<ResourceSpans<'s>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'s> {
    resource: Resource<'s>,
    scope_spans: Vec<ScopeSpans<'s>>,
}

#[derive(Serialize)]
struct Resource<'s> {
    attributes: Attributes<'s>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScopeSpans<'s> {
    scope: Scope<'s>,
    spans: Vec<SpanJson<'s>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    schema_url: &'s str,
}

#[derive(Serialize)]
struct Scope<'s> {
    name: &'s str,
    version: &'s str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanJson<'s> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent_span_id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_state: &'s str,
    flags: u32,
    name: &'s str,
    kind: i64,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Attributes<'s>,
    dropped_attributes_count: u32,
    events: Vec<EventJson<'s>>,
    dropped_events_count: u32,
    links: Vec<LinkJson<'s>>,
    dropped_links_count: u32,
    status: StatusJson<'s>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventJson<'s> {
    time_unix_nano: String,
    name: &'s str,
    attributes: Attributes<'s>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkJson<'s> {
    trace_id: String,
    span_id: String,
    attributes: Attributes<'s>,
}

#[derive(Serialize)]
struct StatusJson<'s> {
    code: u8,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'s str,
}

impl<'s> ScopeSpans<'s> {
    fn of(spans: &'s [Span]) -> ScopeSpans<'s> {
        let scope = &spans[0].scope;
        ScopeSpans {
            scope: Scope { name: &scope.name, version: &scope.version },
            spans: spans.iter().map(SpanJson::of).collect(),
            schema_url: &scope.schema_url,
        }
    }
}

impl<'s> SpanJson<'s> {
    fn of(span: &'s Span) -> SpanJson<'s> {
        let malformed =
            |field: IdField| span.malformed_ids.iter().filter(move |id| id.field == field).peekable();
        let parent = match span.parent_span_id {
            Some(parent) => id(parent, &mut malformed(IdField::Parent)),
            // What was no id left the span without a parent.
            None => malformed(IdField::Parent).next().map(|id| id.text.clone()).unwrap_or_default(),
        };
        let mut of_links = malformed(IdField::Link);
        let link = |link: &'s Link| LinkJson {
            trace_id: id(link.trace_id, &mut of_links),
            span_id: id(link.span_id, &mut of_links),
            attributes: Attributes(&link.attributes),
        };
        let event = |event: &'s Event| EventJson {
            time_unix_nano: event.time.to_string(),
            name: &event.name,
            attributes: Attributes(&event.attributes),
        };
        SpanJson {
            trace_id: id(span.trace_id, &mut malformed(IdField::Trace)),
            span_id: id(span.span_id, &mut malformed(IdField::Span)),
            parent_span_id: parent,
            trace_state: &span.trace_state,
            flags: map::flags(span.parent_is_remote),
            name: &span.name,
            kind: map::kind_number(span.kind.as_str()).unwrap_or_default(),
            start_time_unix_nano: span.start.to_string(),
            end_time_unix_nano: span.end.to_string(),
            attributes: Attributes(&span.attributes),
            dropped_attributes_count: span.dropped_attributes,
            events: span.events.iter().map(event).collect(),
            dropped_events_count: span.dropped_events,
            links: span.links.iter().map(link).collect(),
            dropped_links_count: span.dropped_links,
            status: StatusJson {
                code: match span.status.code {
                    StatusCode::Unset => 0,
                    StatusCode::Ok => 1,
                    StatusCode::Error => 2,
                },
                message: &span.status.message,
            },
        }
    }
}

/// An id as it was exported: where that was not quite an id, the text that reads so again.
fn id<'m, I: Id + std::fmt::Display>(
    id: I,
    malformed: &mut Peekable<impl Iterator<Item = &'m MalformedId>>,
) -> String {
    let reads_so = |one: &&MalformedId| ids::text::<I>(one.field, &one.text, false, &mut Vec::new()) == id;
    malformed.next_if(reads_so).map_or_else(|| id.to_string(), |one| one.text.clone())
}

/// A list of `KeyValue`.
struct Attributes<'s>(&'s [(String, Value)]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, value)| KeyValue { key, value: AnyValue::of(value) }))
    }
}

#[derive(Serialize)]
struct KeyValue<'s> {
    key: &'s str,
    value: AnyValue<'s>,
}

#[derive(Serialize)]
enum AnyValue<'s> {
    #[serde(rename = "stringValue")]
    String(&'s str),
    #[serde(rename = "boolValue")]
    Bool(bool),
    #[serde(rename = "intValue")]
    Int(String),
    #[serde(rename = "doubleValue")]
    Double(Double),
    #[serde(rename = "arrayValue")]
    Array(Values<Vec<AnyValue<'s>>>),
    #[serde(rename = "kvlistValue")]
    Kvlist(Values<Attributes<'s>>),
    #[serde(rename = "bytesValue")]
    Bytes(String),
}

#[derive(Serialize)]
struct Values<T> {
    values: T,
}

impl<'s> AnyValue<'s> {
    fn of(value: &'s Value) -> AnyValue<'s> {
        use base64::Engine as _;
        match value {
            Value::Str(text) | Value::Scrubbed(text) => AnyValue::String(text),
            Value::Int(number) => AnyValue::Int(number.to_string()),
            Value::Bool(truth) => AnyValue::Bool(*truth),
            Value::Double(number) => AnyValue::Double(Double(*number)),
            Value::Bytes(bytes) => AnyValue::Bytes(base64::engine::general_purpose::STANDARD.encode(bytes)),
            Value::Array(items) => {
                AnyValue::Array(Values { values: items.iter().map(AnyValue::of).collect() })
            }
            Value::Map(entries) => AnyValue::Kvlist(Values { values: Attributes(entries) }),
        }
    }
}

/// A number that JSON may have no word for: protobuf's JSON then writes a name.
struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_finite() => serializer.serialize_f64(number),
            number if number.is_nan() => serializer.serialize_str("NaN"),
            number if number > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}
