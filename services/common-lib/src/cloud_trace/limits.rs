//! The limits of Cloud Trace, and how data is cut to fit them.
//!
//! `convert` uses it. The numbers are those of the page "Quotas and limits" of the Telemetry API, to which Cloud Trace itself was
//! raised in 2026; the comments of the v2 protocol still state older, smaller ones.

use std::collections::HashMap;

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2;
use opentelemetry::{KeyValue, Value};
use v2::attribute_value::Value as Wire;
use v2::{AttributeValue, TruncatableString, span};

/// Bytes of a span's name and of an event's.
pub(super) const NAME: usize = 1024;
/// Bytes of an attribute's key. A longer key is dropped and counted: cut keys could collide.
const KEY: usize = 512;
/// Bytes of an attribute's value.
const VALUE: usize = 64 * 1024;
/// Attributes of a span, an event or a link.
const ATTRIBUTES: usize = 1024;
/// Events of a span.
pub(super) const EVENTS: usize = 256;
/// Links of a span.
pub(super) const LINKS: usize = 128;

/// A string of at most so many bytes, cut between characters, that says how many bytes were cut off.
pub(super) fn truncated(text: &str, limit: usize) -> TruncatableString {
    let kept = &text[..text.floor_char_boundary(limit)];
    TruncatableString { value: kept.to_owned(), truncated_byte_count: count(text.len() - kept.len()) }
}

/// Attributes by key. Of two with one key the first stays; what does not fit is counted, on top of what had been
/// dropped before.
pub(super) fn attributes(
    attributes: impl IntoIterator<Item = KeyValue>,
    dropped_before: u32,
) -> span::Attributes {
    let mut attribute_map = HashMap::new();
    let mut dropped = dropped_before as usize;
    for attribute in attributes {
        let key = attribute.key.as_str();
        if attribute_map.contains_key(key) {
            continue;
        }
        if key.len() > KEY || attribute_map.len() == ATTRIBUTES {
            dropped += 1;
            continue;
        }
        attribute_map.insert(key.to_owned(), value(&attribute.value));
    }
    span::Attributes { attribute_map, dropped_attributes_count: count(dropped) }
}

/// A count as the wire holds it.
pub(super) fn count(items: usize) -> i32 {
    i32::try_from(items).unwrap_or(i32::MAX)
}

/// The protocol knows strings, integers and booleans only; doubles and arrays become their text.
fn value(value: &Value) -> AttributeValue {
    let wire = match value {
        Value::Bool(value) => Wire::BoolValue(*value),
        Value::I64(value) => Wire::IntValue(*value),
        other => Wire::StringValue(truncated(&other.as_str(), VALUE)),
    };
    AttributeValue { value: Some(wire) }
}

#[cfg(test)]
mod tests {
    use opentelemetry::{Array, StringValue};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::fits("abc", 3, "abc", 0)]
    #[case::cut("abcd", 3, "abc", 1)]
    #[case::between_characters("aé", 2, "a", 2)]
    #[case::four_bytes("🦀🦀", 7, "🦀", 4)]
    #[case::empty("", 3, "", 0)]
    fn strings(#[case] text: &str, #[case] limit: usize, #[case] kept: &str, #[case] cut: i32) {
        assert_eq!(
            truncated(text, limit),
            TruncatableString { value: kept.to_owned(), truncated_byte_count: cut }
        );
    }

    #[rstest]
    #[case(Value::from(true), Wire::BoolValue(true))]
    #[case(Value::from(-5_i64), Wire::IntValue(-5))]
    #[case(Value::from(0.5), Wire::StringValue(truncated("0.5", VALUE)))]
    #[case(Value::from("text"), Wire::StringValue(truncated("text", VALUE)))]
    #[case(Value::Array(Array::I64(vec![1, 2])), Wire::StringValue(truncated("[1,2]", VALUE)))]
    #[case(
        Value::Array(Array::String(vec![StringValue::from("a")])),
        Wire::StringValue(truncated("[\"a\"]", VALUE))
    )]
    #[case(
        Value::from("a".repeat(65_537)),
        Wire::StringValue(TruncatableString { value: "a".repeat(65_536), truncated_byte_count: 1 })
    )]
    fn values(#[case] given: Value, #[case] expected: Wire) {
        assert_eq!(value(&given), AttributeValue { value: Some(expected) });
    }

    #[rstest]
    #[case::all_kept(1024, 0, 1024, 0)]
    #[case::one_too_many(1025, 0, 1024, 1)]
    #[case::dropped_before(2, 3, 2, 3)]
    fn counts(#[case] given: usize, #[case] before: u32, #[case] kept: usize, #[case] dropped: i32) {
        let found = attributes((0..given).map(|i| KeyValue::new(format!("k{i}"), 1)), before);
        assert_eq!((found.attribute_map.len(), found.dropped_attributes_count), (kept, dropped));
    }

    #[test]
    fn a_key_that_is_too_long_is_dropped_and_counted() {
        let found = attributes([KeyValue::new("k".repeat(513), 1), KeyValue::new("k".repeat(512), 1)], 0);
        assert_eq!((found.attribute_map.len(), found.dropped_attributes_count), (1, 1));
    }

    #[test]
    fn the_first_of_two_values_stays() {
        let found = attributes([KeyValue::new("k", 1), KeyValue::new("k", 2)], 0);
        assert_eq!(found.attribute_map["k"].value, Some(Wire::IntValue(1)));
        assert_eq!(found.dropped_attributes_count, 0);
    }
}
