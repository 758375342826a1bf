//! The telemetry in a batch: spans as instrumentations of HTTP and gRPC services make them, in each protocol.

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2 as ct;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message;

use crate::batch::{Ids, Shape};

/// When the spans of a batch happened.
const EPOCH: u64 = 1_767_225_600_000_000_000;
const DURATION: u64 = 250_000;

/// The spans of a trace are a server's and a client's in turn.
fn kind(index: usize) -> i32 {
    if index.is_multiple_of(2) { 2 } else { 3 }
}

/// A span, with its ids at the places where protobuf puts the first fields: key, length, content.
pub(crate) fn otlp_span(index: usize, shape: Shape) -> (Vec<u8>, Ids) {
    let has_parent = !index.is_multiple_of(shape.per_trace);
    let start = EPOCH + index as u64 * 1_000;
    let span = otlp::Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        parent_span_id: if has_parent { vec![1; 8] } else { Vec::new() },
        flags: 0x101,
        name: NAME.to_owned(),
        kind: kind(index),
        start_time_unix_nano: start,
        end_time_unix_nano: start + DURATION,
        attributes: attributes(index, shape.attributes)
            .into_iter()
            .map(|(key, value)| {
                let value = match value {
                    Value::Text(text) => any_value::Value::StringValue(text),
                    Value::Number(number) => any_value::Value::IntValue(number),
                    Value::Truth(truth) => any_value::Value::BoolValue(truth),
                };
                KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..Default::default() }
            })
            .collect(),
        ..Default::default()
    };
    let ids =
        Ids { trace: 2, span: 2 + 16 + 2, named: None, parent: has_parent.then_some(2 + 16 + 2 + 8 + 2) };
    (span.encode_to_vec(), ids)
}

/// The same span in Cloud Trace v2.
pub(crate) fn cloud_trace_span(index: usize, shape: Shape, project: &str) -> (Vec<u8>, Ids) {
    use ct::attribute_value::Value as Label;
    let has_parent = !index.is_multiple_of(shape.per_trace);
    let text = |value: String| ct::TruncatableString { value, truncated_byte_count: 0 };
    let time = |nanos: u64| prost_types::Timestamp {
        seconds: (nanos / 1_000_000_000) as i64,
        nanos: (nanos % 1_000_000_000) as i32,
    };
    let start = EPOCH + index as u64 * 1_000;
    let prefix = format!("projects/{project}/traces/");
    let labels = attributes(index, shape.attributes).into_iter().map(|(key, value)| {
        let value = match value {
            Value::Text(value) => Label::StringValue(text(value)),
            Value::Number(number) => Label::IntValue(number),
            Value::Truth(truth) => Label::BoolValue(truth),
        };
        (key, ct::AttributeValue { value: Some(value) })
    });
    let name = format!("{prefix}{}/spans/{}", "1".repeat(32), "1".repeat(16));
    let span = ct::Span {
        span_id: "1".repeat(16),
        parent_span_id: if has_parent { "1".repeat(16) } else { String::new() },
        display_name: Some(text(NAME.to_owned())),
        start_time: Some(time(start)),
        end_time: Some(time(start + DURATION)),
        attributes: Some(ct::span::Attributes {
            attribute_map: labels.collect(),
            dropped_attributes_count: 0,
        }),
        span_kind: kind(index),
        name: name.clone(),
        ..Default::default()
    };
    // The name is shorter than 128 bytes, so its length takes one byte.
    let trace = 2 + prefix.len();
    let behind = 2 + name.len();
    let ids = Ids {
        trace,
        named: Some(trace + 32 + "/spans/".len()),
        span: behind + 2,
        parent: has_parent.then_some(behind + 2 + 16 + 2),
    };
    (span.encode_to_vec(), ids)
}

const NAME: &str = "POST /orders/{order_id}/items";

enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
}

/// An encoded resource.
pub(crate) fn resource() -> Vec<u8> {
    let pairs = [
        ("service.name", "orders"),
        ("service.version", "2.4.1"),
        ("service.instance.id", "orders-6f7c9d-0001"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("gcp.project_id", "load"),
    ];
    let pair = |(key, text): (&str, &str)| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(text.to_owned())) }),
        ..Default::default()
    };
    let attributes = pairs.into_iter().map(pair).collect();
    Resource { attributes, ..Default::default() }.encode_to_vec()
}

/// An encoded instrumentation scope.
pub(crate) fn scope() -> Vec<u8> {
    InstrumentationScope { name: "spanwise-load".to_owned(), ..Default::default() }.encode_to_vec()
}

/// Attributes as instrumentations of HTTP and gRPC record them; numbered ones where more are wanted.
fn attributes(index: usize, count: usize) -> Vec<(String, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let usual = [
        ("http.request.method", text("POST")),
        ("http.response.status_code", Value::Number(200)),
        ("http.route", text("/orders/{order_id}/items")),
        ("url.path", Value::Text(format!("/orders/{index:06}/items"))),
        ("url.scheme", text("https")),
        ("server.address", text("orders.internal.example.com")),
        ("server.port", Value::Number(8443)),
        ("client.address", Value::Text(format!("10.20.{}.{}", index / 200 % 200, index % 200))),
        ("network.protocol.version", text("1.1")),
        ("user_agent.original", text("Mozilla/5.0 (X11; Linux x86_64) spanwise-load/0.1")),
        ("rpc.system.name", text("grpc")),
        ("rpc.method", text("orders.v1.OrderService/ListItems")),
        ("thread.id", Value::Number(index as i64 % 16)),
        ("code.function.name", text("orders::items::list")),
        ("app.cached", Value::Truth(index.is_multiple_of(2))),
    ];
    let more = (usual.len()..count)
        .map(|n| (format!("app.label.{n:02}"), Value::Text(format!("value {n:02} of span {index:05}"))));
    let usual = usual.into_iter().map(|(key, value)| (key.to_owned(), value));
    usual.chain(more).take(count).collect()
}
