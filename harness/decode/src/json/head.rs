//! The ids of a span in JSON, without decoding the rest of it: what the walker indexes it under.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use spanwise_model::IdField;

use super::tree::{Json, Key, is_key};
use crate::ids::{self, ResourceName};
use crate::notes::Notes;
use crate::walk::Ids;

/// The ids of an OTLP span.
pub(super) fn otlp(span: &str) -> Ids {
    let head = Head::read(span);
    let mut ignored = Vec::new();
    Ids {
        trace_id: ids::text(IdField::Trace, &head.trace_id, false, &mut ignored),
        span_id: ids::text(IdField::Span, &head.span_id, false, &mut ignored),
        whole: head.is_object,
    }
}

/// The ids of a Cloud Trace v2 span, and the project in its name.
pub(super) fn cloud_trace(span: &str) -> (Ids, Option<String>) {
    let head = Head::read(span);
    let parts = ResourceName::read(head.name.as_bytes());
    let (trace_id, span_id) = ids::cloud_trace_index(&parts, head.span_id.as_bytes());
    (Ids { trace_id, span_id, whole: head.is_object }, ids::project(head.name.as_bytes()))
}

/// The text of a JSON string; empty for anything else.
pub(super) fn text(raw: &RawValue) -> String {
    let json = Json::read(raw.get());
    json.ok().and_then(|json| json.text(&mut Notes::default()).map(str::to_owned)).unwrap_or_default()
}

/// The ids of a span as they are written.
#[derive(Default)]
struct Head {
    trace_id: String,
    span_id: String,
    name: String,
    is_object: bool,
}

impl Head {
    fn read(span: &str) -> Head {
        let text = |raw: Option<&RawValue>| raw.map(text).unwrap_or_default();
        if let Ok(Unread { trace_id, span_id, name }) = serde_json::from_str(span) {
            let (trace_id, span_id, name) = (text(trace_id), text(span_id), text(name));
            return Head { trace_id, span_id, name, is_object: true };
        }
        // No object, or one with a key that has to be mended.
        let Ok(Json::Object(object)) = Json::read(span) else { return Head::default() };
        let text = |name| object.text(name, &mut Notes::default());
        Head { trace_id: text("trace_id"), span_id: text("span_id"), name: text("name"), is_object: true }
    }
}

/// The ids of a span, unread.
#[derive(Default)]
struct Unread<'a> {
    trace_id: Option<&'a RawValue>,
    span_id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
}

impl<'de> serde::Deserialize<'de> for Unread<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unread<'de>, D::Error> {
        struct Heads;
        impl<'de> Visitor<'de> for Heads {
            type Value = Unread<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unread<'de>, A::Error> {
                let mut head = Unread::default();
                while let Some(Key(key)) = map.next_key()? {
                    let slot = if is_key(&key, "trace_id") {
                        &mut head.trace_id
                    } else if is_key(&key, "span_id") {
                        &mut head.span_id
                    } else if key == "name" {
                        &mut head.name
                    } else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    *slot = Some(map.next_value()?);
                }
                Ok(head)
            }
        }
        deserializer.deserialize_map(Heads)
    }
}
