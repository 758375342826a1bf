//! The ids of a span in JSON, without decoding the rest of it: what the walker indexes it under.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use spanwise_model::IdField;

use super::tree::{Key, is_key};
use crate::ids::{self, ResourceName};
use crate::walk::Ids;

/// The ids of an OTLP span.
pub(crate) fn otlp(span: &str) -> Ids {
    let head = Head::read(span);
    let mut ignored = Vec::new();
    Ids {
        trace_id: ids::text(IdField::Trace, &text(head.trace_id), false, &mut ignored),
        span_id: ids::text(IdField::Span, &text(head.span_id), false, &mut ignored),
        whole: head.is_object,
    }
}

/// The ids of a Cloud Trace v2 span, and the project in its name.
pub(crate) fn cloud_trace(span: &str) -> (Ids, Option<String>) {
    let head = Head::read(span);
    let name = text(head.name);
    let parts = ResourceName::read(name.as_bytes());
    let (trace_id, span_id) = ids::cloud_trace_index(&parts, text(head.span_id).as_bytes());
    (Ids { trace_id, span_id, whole: head.is_object }, ids::project(name.as_bytes()))
}

/// The text of a JSON string; empty for anything else.
fn text(raw: Option<&RawValue>) -> String {
    let text = raw.and_then(|raw| serde_json::from_str::<Key<'_>>(raw.get()).ok());
    text.map_or_else(String::new, |text| text.0.into_owned())
}

/// The ids of a span, unread.
#[derive(Default)]
struct Head<'a> {
    trace_id: Option<&'a RawValue>,
    span_id: Option<&'a RawValue>,
    name: Option<&'a RawValue>,
    is_object: bool,
}

impl<'a> Head<'a> {
    fn read(span: &'a str) -> Head<'a> {
        serde_json::from_str(span).unwrap_or_default()
    }
}

impl<'de> serde::Deserialize<'de> for Head<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Head<'de>, D::Error> {
        struct Heads;
        impl<'de> Visitor<'de> for Heads {
            type Value = Head<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
                let mut head = Head { is_object: true, ..Head::default() };
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
