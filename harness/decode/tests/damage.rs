//! Damaged payloads: what was found in front of the damage is kept, what is wrong is named, nothing panics.

mod telemetry;

use opentelemetry_proto::tonic::trace::v1 as otlp;
use proptest::prelude::*;
use prost::Message as _;
use spanwise_decode::walk::SpanPlace;
use spanwise_decode::{Decoded, Message, decode_payload, head};
use spanwise_model::{Defect, DefectKind, IdField, IdProblem, Protocol, Span, SpanId, StatusCode, Value};
use telemetry::{PROTOCOLS, TRACE, cloud_trace_request, otlp_request, payload};

/// Decodes the telemetry after something was done to its first OTLP span.
fn otlp(change: impl FnOnce(&mut otlp::Span)) -> Decoded {
    let mut request = otlp_request();
    change(&mut request.resource_spans[0].scope_spans[0].spans[0]);
    decode_payload(Protocol::OtlpGrpc, Message::Batch, &request.encode_to_vec())
}

/// Decodes a Cloud Trace JSON span of these fields.
fn rest(fields: &str) -> Decoded {
    decode_payload(
        Protocol::CloudTraceRest,
        Message::Batch,
        format!(r#"{{"spans":[{{{fields}}}]}}"#).as_bytes(),
    )
}

#[track_caller]
fn check_ids(decoded: Decoded, expected: &[(IdField, IdProblem)]) -> Decoded {
    let malformed = decoded.spans[0].malformed_ids.iter().map(|m| (m.field, m.problem)).collect::<Vec<_>>();
    assert_eq!(malformed, expected);
    decoded
}

#[test]
fn ids_of_wrong_length_are_kept_as_what_they_are() {
    let decoded = otlp(|span| span.trace_id.truncate(15));
    let decoded = check_ids(decoded, &[(IdField::Trace, IdProblem::Unreadable)]);
    assert_eq!(decoded.spans[0].malformed_ids[0].text, &TRACE[..30]);
    assert!(!decoded.spans[0].trace_id.is_valid());
    check_ids(otlp(|span| span.span_id.clear()), &[(IdField::Span, IdProblem::Unreadable)]);
    check_ids(otlp(|span| span.trace_id.fill(0)), &[(IdField::Trace, IdProblem::Zero)]);
    let decoded = otlp(|span| span.parent_span_id.truncate(4));
    let decoded = check_ids(decoded, &[(IdField::Parent, IdProblem::Unreadable)]);
    assert_eq!(decoded.spans[0].parent_span_id, None);
    check_ids(otlp(|span| span.links[0].span_id.clear()), &[(IdField::Link, IdProblem::Unreadable)]);
}

#[test]
fn a_parent_of_zeros_is_a_value_of_its_own() {
    let decoded = check_ids(otlp(|span| span.parent_span_id.fill(0)), &[]);
    assert_eq!(decoded.spans[0].parent_span_id, Some(SpanId::ZERO));
    let decoded = check_ids(otlp(|span| span.parent_span_id.clear()), &[]);
    assert_eq!(decoded.spans[0].parent_span_id, None);
}

#[test]
fn the_ids_of_cloud_trace_are_read_from_name_and_span_id() {
    let name = |trace: &str, span: &str| format!(r#""name":"projects/p/traces/{trace}/spans/{span}""#);
    let id = r#""spanId":"00000000000000b1""#;
    let whole = name(TRACE, "00000000000000b1");
    check_ids(rest(&format!("{whole},{id}")), &[]);
    let upper = name(&TRACE.to_uppercase(), "00000000000000B1");
    let decoded = rest(&format!(r#"{upper},"spanId":"00000000000000B1""#));
    let both = [(IdField::ResourceName, IdProblem::UpperCase), (IdField::Span, IdProblem::UpperCase)];
    assert!(check_ids(decoded, &both).spans[0].trace_id.is_valid());
    let decoded = rest(&format!(r#"{},{id}"#, name(TRACE, "00000000000000b2")));
    let decoded = check_ids(decoded, &[(IdField::ResourceName, IdProblem::Disagrees)]);
    assert_eq!(decoded.spans[0].span_id, SpanId::from_u64(0xb1));
    let decoded = check_ids(rest(&whole), &[(IdField::Span, IdProblem::Unreadable)]);
    assert_eq!(decoded.spans[0].span_id, SpanId::from_u64(0xb1));
    let bad = [(IdField::ResourceName, IdProblem::Unreadable)];
    check_ids(rest(&format!(r#""name":"traces/{TRACE}/spans/00000000000000b1",{id}"#)), &bad);
    assert!(
        !check_ids(rest(&format!("{},{id}", name("short", "00000000000000b1"))), &bad).spans[0]
            .trace_id
            .is_valid()
    );
}

#[test]
fn base64_ids_are_read_and_noted() {
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[
        {"traceId":"02oQXXAC8N7nPA37lVN2Sg==","spanId":"AAAAAAAAALE=","parentSpanId":"AAAAAAAAAKE="}]}]}]}"#;
    let decoded = decode_payload(Protocol::OtlpHttpJson, Message::Batch, json.as_bytes());
    let fields = [IdField::Trace, IdField::Span, IdField::Parent];
    let decoded = check_ids(decoded, &fields.map(|field| (field, IdProblem::Base64)));
    assert_eq!(decoded.spans[0].trace_id.to_string(), TRACE);
    assert_eq!(decoded.spans[0].parent_span_id, Some(SpanId::from_u64(0xa1)));
}

/// The defects of a payload, as `kind place`.
fn defects(decoded: &Decoded) -> Vec<String> {
    decoded.defects.iter().map(|defect| format!("{:?} {}", defect.kind, defect.place)).collect()
}

#[test]
fn a_bad_field_costs_that_field() {
    let mut bytes = otlp_request().encode_to_vec();
    let at = bytes.windows(11).position(|window| window == b"POST /greet").expect("the name");
    bytes[at] = 0xff;
    let decoded = decode_payload(Protocol::OtlpGrpc, Message::Batch, &bytes);
    assert_eq!(defects(&decoded), ["Field resource_spans[0].scope_spans[0].spans[0].name"]);
    assert_eq!(decoded.spans[0].name, "\u{fffd}OST /greet");
    assert_eq!(decoded.spans[0].trace_id.to_string(), TRACE);

    let decoded = otlp(|span| span.kind = 17);
    assert_eq!(defects(&decoded), ["Field resource_spans[0].scope_spans[0].spans[0].kind"]);

    let decoded = rest(
        r#""startTime":"yesterday","spanKind":"WEB","attributes":{"attributeMap":{"k":{"intValue":"x"}}}"#,
    );
    let places = ["start_time", "attributes.attribute_map.\"k\".int_value", "span_kind"];
    assert_eq!(defects(&decoded), places.map(|place| format!("Field spans[0].{place}")));
}

#[test]
fn a_text_that_ends_inside_a_character_is_a_cut_one() {
    let mut bytes = otlp_request().encode_to_vec();
    let at = bytes.windows(11).position(|window| window == b"POST /greet").expect("the name");
    bytes[at + 10] = 0xc3;
    let decoded = decode_payload(Protocol::OtlpGrpc, Message::Batch, &bytes);
    assert_eq!(defects(&decoded), ["Cut resource_spans[0].scope_spans[0].spans[0].name"]);
    assert_eq!(decoded.spans[0].name, "POST /gree\u{fffd}");
}

#[test]
fn a_count_of_bytes_cut_off_can_be_wrong() {
    let long = "a".repeat(126);
    for (fields, expected) in [
        (format!(r#""displayName":{{"value":"{long}","truncatedByteCount":3}}"#), ""),
        (
            format!(r#""displayName":{{"value":"{long}","truncatedByteCount":2}}"#),
            "Cut spans[0].display_name",
        ),
        (r#""displayName":{"value":"a","truncatedByteCount":-1}"#.to_owned(), "Cut spans[0].display_name"),
        (r#""displayName":{"value":"a","truncatedByteCount":0}"#.to_owned(), ""),
        (
            format!(
                r#""attributes":{{"attributeMap":{{"k":{{"stringValue":{{"value":"{long}","truncatedByteCount":3}}}}}}}}"#
            ),
            "Cut spans[0].attributes.attribute_map.\"k\".string_value",
        ),
    ] {
        let found = defects(&rest(&fields));
        let found: Vec<&str> =
            found.iter().filter_map(|one| one.strip_suffix(".truncated_byte_count")).collect();
        assert_eq!(found.join(" "), expected, "{fields}");
    }
    let mut request = cloud_trace_request();
    let name = request.spans[0].display_name.get_or_insert_default();
    (name.value, name.truncated_byte_count) = ("a".to_owned(), -1);
    let decoded = decode_payload(Protocol::CloudTraceGrpc, Message::Batch, &request.encode_to_vec());
    assert_eq!(defects(&decoded), ["Cut spans[0].display_name.truncated_byte_count"]);
}

#[test]
fn a_damaged_span_leaves_the_others() {
    let mut bytes = cloud_trace_request().encode_to_vec();
    let id = *b"\x12\x1000000000000000b1";
    let at = bytes.windows(18).position(|window| window == id).expect("the field span_id");
    // There is no wire type 7.
    bytes[at] = 0x17;
    let decoded = decode_payload(Protocol::CloudTraceGrpc, Message::Batch, &bytes);
    assert_eq!(defects(&decoded), ["Field spans[0]"]);
    assert_eq!(decoded.spans.iter().map(|span| span.span_id.to_u64()).collect::<Vec<_>>(), [0xb1, 0xc1]);

    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[7,{"traceId":"d36a105d7002f0dee73c0dfb9553764a",
        "spanId":"00000000000000b1","name":"whole","kind":[1]}]}]}]}"#;
    let decoded = decode_payload(Protocol::OtlpHttpJson, Message::Batch, json.as_bytes());
    let spans = "resource_spans[0].scope_spans[0].spans";
    assert_eq!(defects(&decoded), [format!("Span {spans}[0]"), format!("Field {spans}[1].kind")]);
    assert_eq!(decoded.spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["whole"]);
}

/// The defects of an OTLP span in JSON that has good ids and these fields, and what became of it.
#[track_caller]
fn check_field(fields: &str, expected: &[&str]) -> Span {
    let span = format!(r#"{{"traceId":"{TRACE}","spanId":"00000000000000b1","name":"n",{fields}}}"#);
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#);
    let decoded = decode_payload(Protocol::OtlpHttpJson, Message::Batch, json.as_bytes());
    let path = "Field resource_spans[0].scope_spans[0].spans[0].";
    assert_eq!(defects(&decoded), expected.iter().map(|place| format!("{path}{place}")).collect::<Vec<_>>());
    let span = decoded.spans[0].clone();
    assert_eq!((span.trace_id.to_string().as_str(), span.name.as_str()), (TRACE, "n"));
    assert_eq!(span.malformed_ids, []);
    span
}

#[test]
fn a_value_that_json_cannot_hold_costs_that_value() {
    let attribute = |value: &str| {
        format!(r#""attributes":[{{"key":"a","value":{value}}},{{"key":"b","value":{{"intValue":1}}}}]"#)
    };
    let place = "attributes[0].value.string_value";
    let span = check_field(&attribute(r#"{"stringValue":"cut \ud83d"}"#), &[place]);
    assert_eq!(span.attribute("a"), Some(&Value::from("cut \u{fffd}")));
    assert_eq!(span.attribute("b"), Some(&Value::Int(1)));
    let span = check_field(&attribute(r#"{"stringValue":"\ud83d\ude00"}"#), &[]);
    assert_eq!(span.attribute("a"), Some(&Value::from("\u{1f600}")));

    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(100), "]}}".repeat(100));
    let level = ".array_value.values[0]";
    // The bound falls on the list of the 42nd level.
    let place = format!("attributes[0].value{}.array_value.values", level.repeat(41));
    let span = check_field(&attribute(&deep), &[&place]);
    assert_eq!(span.attribute("b"), Some(&Value::Int(1)));
    let span = check_field(&attribute(r#"{"doubleValue":1e999}"#), &["attributes[0].value.double_value"]);
    assert_eq!(span.attribute("b"), Some(&Value::Int(1)));
    // What nobody reads may be anything.
    check_field(&format!(r#""unknown":{}1e999,"\udc00"{}"#, "[".repeat(300), "]".repeat(300)), &[]);
    check_field(r#""a \ud83d key":1"#, &[]);
}

#[test]
fn what_is_no_span_is_none() {
    for what in ["null", "7", "[]", "\"span\""] {
        let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{what}]}}]}}]}}"#);
        let decoded = decode_payload(Protocol::OtlpHttpJson, Message::Batch, json.as_bytes());
        assert_eq!(defects(&decoded), ["Span resource_spans[0].scope_spans[0].spans[0]"], "{what}");
        assert_eq!(decoded.spans, [], "{what}");
    }
}

#[test]
fn integers_may_be_written_with_an_exponent() {
    let times = |start: &str, end: &str| format!(r#""startTimeUnixNano":{start},"endTimeUnixNano":{end}"#);
    let span = check_field(&times("1.54471266e18", "1.8e19"), &[]);
    assert_eq!((span.start, span.end), (1_544_712_660_000_000_000, 18_000_000_000_000_000_000));
    check_field(&times("1.5", "-1e3"), &["start_time_unix_nano", "end_time_unix_nano"]);
    check_field(&times("1.9e19", "1e400"), &["start_time_unix_nano", "end_time_unix_nano"]);
    let attribute = |value: &str| format!(r#""attributes":[{{"key":"n","value":{{"intValue":{value}}}}}]"#);
    let span = check_field(&attribute("-9.223372036854775808e18"), &[]);
    assert_eq!(span.attribute("n"), Some(&Value::Int(i64::MIN)));
    check_field(&attribute("9.223372036854775808e18"), &["attributes[0].value.int_value"]);
    check_field(&attribute("18446744073709551615"), &["attributes[0].value.int_value"]);
}

#[test]
fn a_known_field_of_another_wire_type_is_damage() {
    let check = |protocol, payload: &[u8], expected: &str| {
        let decoded = decode_payload(protocol, Message::Batch, payload);
        assert_eq!(defects(&decoded), [expected], "{payload:?}");
    };
    check(Protocol::OtlpGrpc, &[0x08, 1], "Payload ");
    check(Protocol::OtlpGrpc, &[0x0a, 2, 0x10, 1], "Payload resource_spans[0]");
    check(Protocol::OtlpHttp, &[0x0a, 4, 0x12, 2, 0x18, 1], "Payload resource_spans[0].scope_spans[0]");
    check(Protocol::CloudTraceGrpc, &[0x10, 1], "Payload ");
    // Numbers that the message does not have may carry anything.
    assert_eq!(decode_payload(Protocol::OtlpGrpc, Message::Batch, &[0x10, 1]).defects, []);
}

#[test]
fn a_payload_cut_short_keeps_what_came_before() {
    for protocol in PROTOCOLS {
        let payload = payload(protocol);
        let whole = decode_payload(protocol, Message::Batch, &payload).spans;
        let walk = spanwise_decode::walk::walk(protocol, Message::Batch, &payload);
        // One byte more, as a batch of Cloud Trace spans may end behind any of them.
        let end = (walk.spans[0].at + walk.spans[0].len) as usize + 1;
        let decoded = decode_payload(protocol, Message::Batch, &payload[..end]);
        assert!(decoded.defects.iter().any(|defect| defect.kind == DefectKind::Payload), "{protocol:?}");
        assert_eq!(decoded.spans[0].span_id, whole[0].span_id, "{protocol:?}");
        assert_eq!(decoded.spans[0].attributes, whole[0].attributes, "{protocol:?}");
    }
}

#[test]
fn a_status_that_is_there_says_something() {
    assert_eq!(rest(r#""status":{}"#).spans[0].status.code, StatusCode::Ok);
    assert_eq!(rest(r#""status":{"code":"UNAVAILABLE"}"#).spans[0].status.rpc_code, Some(14));
    assert_eq!(rest(r#""spanId":"x""#).spans[0].status.code, StatusCode::Unset);
}

/// Any JSON, with what only a lenient reader takes.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &[
            "null",
            "true",
            "-7",
            "1.5",
            "1e999",
            "18446744073709551616",
            "\"\"",
            "\"\\ud83d\"",
            "\"00000000000000B1\"",
            "\"AAAAAAAAALE=\"",
            "\"projects/p/traces/t/spans/\\udc00\"",
        ][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(4, 16, 3, |inner| {
        let key = prop::sample::select(&["spans", "traceId", "span_id", "name", "value", "\\ud83d"][..]);
        let field = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(field, 0..3).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

/// Where the values of a JSON text stand that begin behind a colon or a bracket.
fn values(text: &str) -> Vec<std::ops::Range<usize>> {
    let begins = text.match_indices([':', '[', ',']).map(|(at, _)| at + 1);
    let value = |begin: usize| {
        let mut reader = serde_json::Deserializer::from_str(&text[begin..]).into_iter::<serde_json::Value>();
        let read = reader.next()?.is_ok();
        // A key is no value.
        let end = begin + reader.byte_offset();
        (read && !text[end..].trim_start().starts_with(':')).then_some(begin..end)
    };
    begins.filter_map(value).collect()
}

proptest! {
    #[test]
    fn any_bytes_are_walked_and_decoded(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for protocol in PROTOCOLS {
            decode_payload(protocol, Message::Batch, &bytes);
            decode_payload(protocol, Message::Span, &bytes);
            head(protocol, &bytes);
        }
    }

    #[test]
    fn json_of_wrong_types_is_walked_as_it_is_decoded(
        protocol in prop::sample::select(&[Protocol::OtlpHttpJson, Protocol::CloudTraceRest][..]),
        at in any::<prop::sample::Index>(),
        value in json(),
    ) {
        let text = String::from_utf8(payload(protocol)).expect("JSON is text");
        let ranges = values(&text);
        let place = ranges[at.index(ranges.len())].clone();
        let changed = [&text[..place.start], &value, &text[place.end..]].concat();
        let walk = spanwise_decode::walk::walk(protocol, Message::Batch, changed.as_bytes());
        let decoded = decode_payload(protocol, Message::Batch, changed.as_bytes());
        let is_unread = |defect: &&Defect| defect.kind == DefectKind::Span;
        prop_assert_eq!(walk.spans.len() - decoded.defects.iter().filter(is_unread).count(), decoded.spans.len());
        for span in &decoded.spans {
            let is_same = |place: &&SpanPlace| (place.trace_id, place.span_id) == (span.trace_id, span.span_id);
            let Some(place) = walk.spans.iter().find(is_same) else {
                return Err(TestCaseError::fail(format!("{span:?} is indexed elsewhere")));
            };
            let head = head(protocol, place.bytes(changed.as_bytes()));
            prop_assert_eq!((head.parent_span_id, head.kind), (span.parent_span_id, span.kind));
        }
    }

    #[test]
    fn what_stands_in_front_of_damage_is_kept(
        protocol in prop::sample::select(&PROTOCOLS[..]),
        at in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..12),
    ) {
        let payload = payload(protocol);
        let whole = spanwise_decode::walk::walk(protocol, Message::Batch, &payload);
        let at = at.index(payload.len());
        let mut damaged = payload.clone();
        damaged.truncate(at);
        damaged.extend_from_slice(&noise);
        damaged.extend_from_slice(payload.get(at + noise.len()..).unwrap_or_default());
        let decoded = decode_payload(protocol, Message::Batch, &damaged);
        let before = whole.spans.iter().filter(|span| (span.at + span.len) as usize <= at);
        for (span, decoded) in before.zip(&decoded.spans) {
            prop_assert_eq!(span.span_id, decoded.span_id);
        }
        let before = whole.spans.iter().filter(|span| (span.at + span.len) as usize <= at).count();
        prop_assert!(decoded.spans.len() >= before);
    }
}
