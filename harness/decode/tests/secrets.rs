//! No secret leaves the decoder, wherever in a span or its resource it stood.

mod telemetry;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value as Wire};
use prost::Message as _;
use spanwise_decode::{Message, decode_payload};
use spanwise_model::{Protocol, secret};
use telemetry::{cloud_trace_request, otlp_request};

/// Behind `password=` a secret by its name.
const SECRET: &str = "hunter2-and-more";

fn text() -> String {
    format!("password={SECRET}")
}

fn attribute(key: &str, value: Wire) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Decodes a payload: how many placeholders stand in the model, after a search for the secret.
#[track_caller]
fn placeholders(protocol: Protocol, payload: &[u8]) -> usize {
    let decoded = decode_payload(protocol, Message::Batch, payload);
    let shown = format!("{decoded:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert_eq!(secret::kind_in(&shown), Some("secret"));
    shown.matches("<secret sha256:").count()
}

#[test]
fn otlp() {
    let mut request = otlp_request();
    let header = "http.request.header.password";
    let list =
        Wire::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(Wire::StringValue(text())) }] });
    let resource = request.resource_spans[0].resource.get_or_insert_default();
    resource.attributes.push(attribute("db.password", Wire::StringValue(SECRET.to_owned())));
    let span = &mut request.resource_spans[0].scope_spans[0].spans[0];
    span.name = text();
    span.attributes.push(attribute(header, list));
    span.events[0].name = text();
    span.events[0].attributes.push(attribute("x", Wire::StringValue(text())));
    span.links[0].attributes.push(attribute("x", Wire::StringValue(text())));
    span.status.get_or_insert_default().message = text();
    // Each of the spans of a resource shows it.
    let spans = request.resource_spans[0].scope_spans.iter().map(|scope| scope.spans.len()).sum::<usize>();
    let bytes = request.encode_to_vec();
    let decoded = decode_payload(Protocol::OtlpGrpc, Message::Batch, &bytes);
    assert!(format!("{decoded:?}").contains("<token sha256:"), "the header");
    assert_eq!(placeholders(Protocol::OtlpGrpc, &bytes), 5 + spans);
}

#[test]
fn cloud_trace() {
    let mut request = cloud_trace_request();
    request.spans[0].display_name.get_or_insert_default().value = text();
    assert_eq!(placeholders(Protocol::CloudTraceGrpc, &request.encode_to_vec()), 1);
}
