//! Spans that are written as OTLP JSON are read back as the same spans.

mod telemetry;

use std::sync::Arc;

use proptest::prelude::*;
use spanwise_decode::{Message, decode_payload, read_line, write_otlp};
use spanwise_model::{
    Event, IdProblem, Link, Protocol, Resource, Scope, Span, SpanId, SpanKind, Status, StatusCode, TraceId,
    Value,
};
use telemetry::{PROTOCOLS, payload};

/// A span as OTLP has words for it.
fn in_otlp(span: &Span) -> Span {
    let mut span = span.clone();
    span.status.rpc_code = None;
    span.protocol = Some(Protocol::OtlpHttpJson);
    span.malformed_ids.retain(|id| !matches!(id.problem, IdProblem::UpperCase | IdProblem::Disagrees));
    span
}

/// Writes spans and compares what is read back.
#[track_caller]
fn check(spans: &[Span]) {
    let line = write_otlp(spans);
    assert!(!line.contains('\n'), "{line}");
    let read = read_line(1, line.as_bytes()).expect("a line of a capture");
    assert_eq!(read.defects, [], "{line}");
    // Numbers that are none are not equal to themselves.
    let shown = |spans: &[Span]| spans.iter().map(|span| format!("{span:#?}")).collect::<Vec<_>>();
    let expected: Vec<Span> = spans.iter().map(in_otlp).collect();
    assert_eq!(shown(&read.spans), shown(&expected), "{line}");
}

#[test]
fn spans_of_every_protocol() {
    for protocol in PROTOCOLS {
        check(&decode_payload(protocol, Message::Batch, &payload(protocol)).spans);
    }
    check(&[]);
}

#[test]
fn the_form_is_that_of_the_specification() {
    let spans = decode_payload(Protocol::OtlpGrpc, Message::Batch, &payload(Protocol::OtlpGrpc)).spans;
    let written: serde_json::Value = serde_json::from_str(&write_otlp(&spans[..1])).expect("JSON");
    let resource = &written["resourceSpans"][0];
    let span = &resource["scopeSpans"][0]["spans"][0];
    let attribute = |key: &str, value: serde_json::Value| serde_json::json!({ "key": key, "value": value });
    assert_eq!(
        resource["resource"]["attributes"][0],
        attribute("service.name", serde_json::json!({ "stringValue": "api-service" }))
    );
    for (key, expected) in [
        ("traceId", serde_json::json!(telemetry::TRACE)),
        ("spanId", serde_json::json!("00000000000000b1")),
        ("parentSpanId", serde_json::json!("00000000000000a1")),
        ("kind", serde_json::json!(2)),
        ("startTimeUnixNano", serde_json::json!(telemetry::START.to_string())),
        ("status", serde_json::json!({ "code": 2, "message": "backend gone" })),
    ] {
        assert_eq!(span[key], expected, "{key}");
    }
    let status = attribute("http.response.status_code", serde_json::json!({ "intValue": "503" }));
    assert_eq!(span["attributes"][1], status);
}

#[test]
fn ids_that_were_none_stay_none() {
    let span = |trace: &str, own: &str, parent: &str, link: &str| {
        let json = format!(
            r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{trace}","spanId":"{own}","parentSpanId":"{parent}",
            "links":[{{"traceId":"{link}","spanId":"{own}"}},{{"traceId":"{trace}","spanId":"{link}"}}]}}]}}]}}]}}"#
        );
        read_line(1, json.as_bytes()).expect("a line of a capture").spans
    };
    let (trace, own, zero) = (telemetry::TRACE, "00000000000000b1", "0000000000000000");
    for (one, other) in [("", zero), ("xyz", "0102"), (zero, ""), ("AAAAAAAAALE=", "0102030405060708090a")] {
        check(&span(trace, own, one, other));
        check(&span(one, other, one, other));
        check(&span(&zero.repeat(2), zero, zero, other));
    }
}

fn text() -> impl Strategy<Value = String> {
    // Equals signs and colons would make secrets of what stands behind some words.
    proptest::string::string_regex("[^=:@]{0,12}").expect("an expression")
}

fn value() -> impl Strategy<Value = Value> {
    let one = prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ];
    one.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::vec((text(), value()), 0..4)
}

fn ids() -> impl Strategy<Value = (TraceId, SpanId)> {
    (1_u128.., 1_u64..).prop_map(|(trace, span)| (TraceId(trace.to_be_bytes()), SpanId::from_u64(span)))
}

prop_compose! {
    fn span()(
        (trace_id, span_id) in ids(),
        parent_span_id in proptest::option::of(any::<u64>().prop_map(SpanId::from_u64)),
        parent_is_remote in any::<Option<bool>>(),
        kind in prop::sample::select(vec![
            SpanKind::Unspecified, SpanKind::Internal, SpanKind::Server,
            SpanKind::Client, SpanKind::Producer, SpanKind::Consumer,
        ]),
        (name, trace_state, message) in (text(), text(), text()),
        (start, end) in any::<(u64, u64)>(),
        code in prop::sample::select(vec![StatusCode::Unset, StatusCode::Ok, StatusCode::Error]),
        attributes in attributes(),
        events in prop::collection::vec((text(), any::<u64>(), attributes()), 0..3),
        links in prop::collection::vec((ids(), attributes()), 0..3),
        dropped in prop::array::uniform3(0..=i32::MAX as u32),
        resource in attributes(),
        (scope, version, schema_url) in (text(), text(), text()),
    ) -> Span {
        let event = |(name, time, attributes)| Event { name, time, attributes };
        let link = |((trace_id, span_id), attributes)| Link { trace_id, span_id, attributes };
        Span {
            trace_id, span_id, parent_span_id, parent_is_remote, kind, name, start, end, attributes, trace_state,
            status: Status { code, message, rpc_code: None },
            dropped_attributes: dropped[0],
            events: events.into_iter().map(event).collect(),
            dropped_events: dropped[1],
            links: links.into_iter().map(link).collect(),
            dropped_links: dropped[2],
            resource: Arc::new(Resource { attributes: resource }),
            scope: Arc::new(Scope { name: scope, version, schema_url }),
            ..Span::default()
        }
    }
}

proptest! {
    #[test]
    fn any_span(spans in prop::collection::vec(span(), 1..4)) {
        check(&spans);
    }
}
