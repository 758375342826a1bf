//! Every protocol yields the same model spans for the same telemetry.

mod telemetry;

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2 as ct;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, any_value};
use prost::Message as _;
use spanwise_decode::{Message, decode_payload, head};
use spanwise_model::{Protocol, Resource, Scope, Span, Status, Value};
use telemetry::{PROTOCOLS, expected, otlp_request, payload};

/// A span without what only some protocols can say: resource, scope, the order of a map that has none, the number of
/// a status.
fn comparable(span: &Span) -> Span {
    let mut attributes = span.attributes.clone();
    attributes.sort_by(|one, other| one.0.cmp(&other.0));
    Span {
        attributes,
        resource: Default::default(),
        scope: Default::default(),
        protocol: None,
        status: Status { rpc_code: None, ..span.status.clone() },
        ..span.clone()
    }
}

#[test]
fn every_protocol_yields_the_same_spans() {
    for protocol in PROTOCOLS {
        let decoded = decode_payload(protocol, Message::Batch, &payload(protocol));
        assert_eq!(decoded.defects, [], "{protocol:?}");
        let spans: Vec<Span> = decoded.spans.iter().map(comparable).collect();
        let expected: Vec<Span> = expected().iter().map(comparable).collect();
        assert_eq!(spans, expected, "{protocol:?}");
        assert!(decoded.spans.iter().all(|span| span.protocol == Some(protocol)));
        let project = protocol.is_cloud_trace().then(|| "demo".to_owned());
        assert_eq!(decoded.project, project, "{protocol:?}");
    }
}

#[test]
fn otlp_spans_carry_their_own_resource_and_scope() {
    for protocol in [Protocol::OtlpGrpc, Protocol::OtlpHttp, Protocol::OtlpHttpJson] {
        let spans = decode_payload(protocol, Message::Batch, &payload(protocol)).spans;
        let attributes = vec![("service.name".to_owned(), Value::from("api-service"))];
        for (span, scope) in spans.iter().zip(["http", "jobs"]) {
            assert_eq!(*span.resource, Resource { attributes: attributes.clone() }, "{protocol:?}");
            let schema_url = "https://opentelemetry.io/schemas/1.42.0".to_owned();
            let scope = Scope { name: scope.to_owned(), version: "1.0".to_owned(), schema_url };
            assert_eq!(*span.scope, scope, "{protocol:?}");
        }
    }
}

/// A length-delimited field of less than 16 KiB.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = [content.len() as u8 | 0x80, (content.len() >> 7) as u8];
    [&[number << 3 | 2][..], &length, content].concat()
}

#[test]
fn protobuf_fields_come_in_any_order_and_unknown_ones_are_skipped() {
    let request = otlp_request();
    let resource_spans = &request.resource_spans[0];
    let scope_spans = &resource_spans.scope_spans[0];
    // A group of number 30 that holds a number, a group and text, as old encoders may write.
    let unknown = [0xf3, 0x01, 0x08, 0x01, 0x13, 0x0a, 0x01, 0x61, 0x14, 0xf4, 0x01];
    let scope = scope_spans.scope.as_ref().map(|scope| scope.encode_to_vec()).unwrap_or_default();
    let span = [scope_spans.spans[0].encode_to_vec(), unknown.to_vec()].concat();
    let scope_spans = [field(2, &span), unknown.to_vec(), field(1, &scope)].concat();
    let resource =
        resource_spans.resource.as_ref().map(|resource| resource.encode_to_vec()).unwrap_or_default();
    let resource_spans = [field(2, &scope_spans), field(1, &resource)].concat();
    let payload = [unknown.to_vec(), field(1, &resource_spans)].concat();
    let decoded = decode_payload(Protocol::OtlpGrpc, Message::Batch, &payload);
    assert_eq!(decoded.defects, []);
    let spans: Vec<Span> = decoded.spans.iter().map(comparable).collect();
    assert_eq!(spans, [comparable(&expected()[0])]);
    assert_eq!(
        (decoded.spans[0].service_name(), decoded.spans[0].scope.name.as_str()),
        (Some("api-service"), "http")
    );
}

#[test]
fn an_empty_value_keeps_its_place_in_an_array() {
    let text = |text: &str| AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) };
    let values = vec![text("a"), AnyValue { value: None }, text("b")];
    let array = any_value::Value::ArrayValue(ArrayValue { values });
    let mut request = otlp_request();
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.attributes[0].value = Some(AnyValue { value: Some(array) });
    let json = telemetry::OTLP_JSON.replace(
        r#"{"stringValue":"/greet"}"#,
        r#"{"arrayValue":{"values":[{"stringValue":"a"},{},{"stringValue":"b"}]}}"#,
    );
    let expected = Value::Array(vec![Value::from("a"), Value::from(""), Value::from("b")]);
    for (protocol, payload) in
        [(Protocol::OtlpGrpc, request.encode_to_vec()), (Protocol::OtlpHttpJson, json.into_bytes())]
    {
        let decoded = decode_payload(protocol, Message::Batch, &payload);
        assert_eq!(decoded.defects, [], "{protocol:?}");
        assert_eq!(decoded.spans[0].attribute("http.route"), Some(&expected), "{protocol:?}");
    }
}

#[test]
fn labels_keep_their_order_and_the_rpc_code_its_number() {
    let spans =
        decode_payload(Protocol::CloudTraceRest, Message::Batch, &payload(Protocol::CloudTraceRest)).spans;
    let keys: Vec<&str> = spans[0].attributes.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["http.route", "http.response.status_code", "app.cached"]);
    assert_eq!(spans.iter().map(|span| span.status.rpc_code).collect::<Vec<_>>(), [Some(2), Some(0)]);
}

#[test]
fn a_walk_and_a_head_say_of_a_span_what_its_decoding_says() {
    for protocol in PROTOCOLS {
        let payload = payload(protocol);
        let walk = spanwise_decode::walk::walk(protocol, Message::Batch, &payload);
        let spans = decode_payload(protocol, Message::Batch, &payload).spans;
        assert_eq!(walk.spans.len(), spans.len());
        for (place, span) in walk.spans.iter().zip(&spans) {
            assert_eq!((place.trace_id, place.span_id), (span.trace_id, span.span_id), "{protocol:?}");
            let head = head(protocol, place.bytes(&payload));
            assert_eq!((head.trace_id, head.span_id), (span.trace_id, span.span_id), "{protocol:?}");
            assert_eq!((head.parent_span_id, head.kind), (span.parent_span_id, span.kind), "{protocol:?}");
        }
    }
}

#[test]
fn a_served_call_is_not_local_because_its_exporter_always_says_so() {
    for (kind, same, expected) in [
        ("SERVER", "true", None),
        ("CONSUMER", "true", None),
        ("SERVER", "false", Some(true)),
        ("INTERNAL", "true", Some(false)),
        ("CLIENT", "true", Some(false)),
    ] {
        let json = format!(
            r#"{{"spans":[{{"name":"projects/p/traces/{:032x}/spans/{:016x}","parentSpanId":"{:016x}",
            "sameProcessAsParentSpan":{same},"spanKind":"{kind}"}}]}}"#,
            1, 2, 3
        );
        let [span] = &decode_payload(Protocol::CloudTraceRest, Message::Batch, json.as_bytes()).spans[..]
        else {
            panic!("one span of {json}")
        };
        assert_eq!(span.parent_is_remote, expected, "{kind} {same} in JSON");
        let batch = ct::BatchWriteSpansRequest {
            spans: vec![ct::Span {
                span_kind: ct::span::SpanKind::from_str_name(kind).map_or(0, |kind| kind as i32),
                same_process_as_parent_span: Some(same == "true"),
                ..ct::Span::default()
            }],
            ..ct::BatchWriteSpansRequest::default()
        };
        let bytes = batch.encode_to_vec();
        let [span] = &decode_payload(Protocol::CloudTraceGrpc, Message::Batch, &bytes).spans[..] else {
            panic!("one span of {batch:?}")
        };
        assert_eq!(span.parent_is_remote, expected, "{kind} {same} in protobuf");
    }
}
