//! The same telemetry in every protocol, made with the published messages where there are such.
#![allow(dead_code)] // Each test binary uses a part.

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2 as ct;
use googleapis_tonic_google_devtools_cloudtrace_v2::google::rpc;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message as _;
use spanwise_model::{Event, Link, Protocol, Span, SpanId, SpanKind, Status, StatusCode, TraceId, Value};

pub(crate) const TRACE: &str = "d36a105d7002f0dee73c0dfb9553764a";
pub(crate) const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub(crate) const START: u64 = 1_795_342_830_123_456_789;
pub(crate) const END: u64 = 1_795_342_831_000_000_000;

/// Every protocol.
pub(crate) const PROTOCOLS: [Protocol; 5] = [
    Protocol::OtlpGrpc,
    Protocol::OtlpHttp,
    Protocol::OtlpHttpJson,
    Protocol::CloudTraceGrpc,
    Protocol::CloudTraceRest,
];

/// What the payloads of this file hold, in the words of the model, as far as all protocols can say it.
pub(crate) fn expected() -> Vec<Span> {
    let attributes = vec![
        ("http.route".to_owned(), Value::from("/greet")),
        ("http.response.status_code".to_owned(), Value::Int(503)),
        ("app.cached".to_owned(), Value::Bool(false)),
    ];
    let server = Span {
        trace_id: trace(TRACE),
        span_id: SpanId::from_u64(0xb1),
        parent_span_id: Some(SpanId::from_u64(0xa1)),
        parent_is_remote: Some(true),
        kind: SpanKind::Server,
        name: "POST /greet".to_owned(),
        start: START,
        end: END,
        status: Status { code: StatusCode::Error, message: "backend gone".to_owned(), rpc_code: None },
        attributes,
        dropped_attributes: 2,
        events: vec![Event {
            name: "exception".to_owned(),
            time: START + 1,
            attributes: vec![("exception.type".to_owned(), Value::from("Gone"))],
        }],
        dropped_events: 1,
        links: vec![Link {
            trace_id: trace(OTHER),
            span_id: SpanId::from_u64(0xc1),
            attributes: vec![("link.kind".to_owned(), Value::from("retry"))],
        }],
        dropped_links: 3,
        ..Span::default()
    };
    let root = Span {
        trace_id: trace(OTHER),
        span_id: SpanId::from_u64(0xc1),
        name: "größe".to_owned(),
        start: START,
        end: START,
        status: Status { code: StatusCode::Ok, ..Status::default() },
        ..Span::default()
    };
    vec![server, root]
}

pub(crate) fn trace(hex: &str) -> TraceId {
    hex.parse().expect("an id")
}

/// The payload of a batch in one protocol.
pub(crate) fn payload(protocol: Protocol) -> Vec<u8> {
    match protocol {
        Protocol::OtlpGrpc | Protocol::OtlpHttp => otlp_request().encode_to_vec(),
        Protocol::CloudTraceGrpc => cloud_trace_request().encode_to_vec(),
        Protocol::OtlpHttpJson => OTLP_JSON.into(),
        Protocol::CloudTraceRest => CLOUD_TRACE_JSON.into(),
    }
}

fn key_value(key: &str, value: any_value::Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn text(value: &str) -> any_value::Value {
    any_value::Value::StringValue(value.to_owned())
}

pub(crate) fn otlp_request() -> ExportTraceServiceRequest {
    let server = otlp::Span {
        trace_id: trace(TRACE).0.to_vec(),
        span_id: SpanId::from_u64(0xb1).0.to_vec(),
        parent_span_id: SpanId::from_u64(0xa1).0.to_vec(),
        flags: 0x301,
        kind: 2,
        name: "POST /greet".to_owned(),
        start_time_unix_nano: START,
        end_time_unix_nano: END,
        status: Some(otlp::Status { code: 2, message: "backend gone".to_owned() }),
        attributes: vec![
            key_value("http.route", text("/greet")),
            key_value("http.response.status_code", any_value::Value::IntValue(503)),
            key_value("app.cached", any_value::Value::BoolValue(false)),
        ],
        dropped_attributes_count: 2,
        events: vec![otlp::span::Event {
            time_unix_nano: START + 1,
            name: "exception".to_owned(),
            attributes: vec![key_value("exception.type", text("Gone"))],
            dropped_attributes_count: 0,
        }],
        dropped_events_count: 1,
        links: vec![otlp::span::Link {
            trace_id: trace(OTHER).0.to_vec(),
            span_id: SpanId::from_u64(0xc1).0.to_vec(),
            attributes: vec![key_value("link.kind", text("retry"))],
            ..otlp::span::Link::default()
        }],
        dropped_links_count: 3,
        ..otlp::Span::default()
    };
    let root = otlp::Span {
        trace_id: trace(OTHER).0.to_vec(),
        span_id: SpanId::from_u64(0xc1).0.to_vec(),
        name: "größe".to_owned(),
        start_time_unix_nano: START,
        end_time_unix_nano: START,
        status: Some(otlp::Status { code: 1, message: String::new() }),
        ..otlp::Span::default()
    };
    let scope = |name: &str, spans| otlp::ScopeSpans {
        scope: Some(InstrumentationScope {
            name: name.to_owned(),
            version: "1.0".to_owned(),
            ..InstrumentationScope::default()
        }),
        spans,
        schema_url: String::new(),
    };
    let resource =
        Resource { attributes: vec![key_value("service.name", text("api-service"))], ..Resource::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![otlp::ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope("http", vec![server]), scope("jobs", vec![root])],
            schema_url: "https://opentelemetry.io/schemas/1.42.0".to_owned(),
        }],
    }
}

pub(crate) fn cloud_trace_request() -> ct::BatchWriteSpansRequest {
    use ct::attribute_value::Value;
    let short = |value: &str| ct::TruncatableString { value: value.to_owned(), truncated_byte_count: 0 };
    let time = |nanos: u64| prost_types::Timestamp {
        seconds: (nanos / 1_000_000_000) as i64,
        nanos: (nanos % 1_000_000_000) as i32,
    };
    let attributes = |list: Vec<(&str, Value)>, dropped| {
        let entry = |(key, value): (&str, Value)| (key.to_owned(), ct::AttributeValue { value: Some(value) });
        ct::span::Attributes {
            attribute_map: list.into_iter().map(entry).collect(),
            dropped_attributes_count: dropped,
        }
    };
    let server = ct::Span {
        name: format!("projects/demo/traces/{TRACE}/spans/00000000000000b1"),
        span_id: "00000000000000b1".to_owned(),
        parent_span_id: "00000000000000a1".to_owned(),
        display_name: Some(short("POST /greet")),
        start_time: Some(time(START)),
        end_time: Some(time(END)),
        attributes: Some(attributes(
            vec![
                ("http.route", Value::StringValue(short("/greet"))),
                ("http.response.status_code", Value::IntValue(503)),
                ("app.cached", Value::BoolValue(false)),
            ],
            2,
        )),
        time_events: Some(ct::span::TimeEvents {
            time_event: vec![ct::span::TimeEvent {
                time: Some(time(START + 1)),
                value: Some(ct::span::time_event::Value::Annotation(ct::span::time_event::Annotation {
                    description: Some(short("exception")),
                    attributes: Some(attributes(
                        vec![("exception.type", Value::StringValue(short("Gone")))],
                        0,
                    )),
                })),
            }],
            dropped_annotations_count: 1,
            dropped_message_events_count: 0,
        }),
        links: Some(ct::span::Links {
            link: vec![ct::span::Link {
                trace_id: OTHER.to_owned(),
                span_id: "00000000000000c1".to_owned(),
                r#type: 0,
                attributes: Some(attributes(vec![("link.kind", Value::StringValue(short("retry")))], 0)),
            }],
            dropped_links_count: 3,
        }),
        status: Some(rpc::Status { code: 2, message: "backend gone".to_owned(), details: Vec::new() }),
        same_process_as_parent_span: Some(false),
        span_kind: 2,
        ..ct::Span::default()
    };
    let root = ct::Span {
        name: format!("projects/demo/traces/{OTHER}/spans/00000000000000c1"),
        span_id: "00000000000000c1".to_owned(),
        display_name: Some(short("größe")),
        start_time: Some(time(START)),
        end_time: Some(time(START)),
        status: Some(rpc::Status::default()),
        ..ct::Span::default()
    };
    ct::BatchWriteSpansRequest { name: "projects/demo".to_owned(), spans: vec![server, root] }
}

/// The resource behind the spans, as protobuf admits it; keys in both spellings.
pub(crate) const OTLP_JSON: &str = r#"{"resourceSpans":[{"scopeSpans":[
{"scope":{"name":"http","version":"1.0"},"schemaUrl":null,"spans":[{
  "traceId":"D36A105D7002F0DEE73C0DFB9553764A","spanId":"00000000000000b1","parentSpanId":"00000000000000A1",
  "name":"POST /greet","kind":"SPAN_KIND_SERVER","flags":769,"unknown":{"a":[1]},
  "startTimeUnixNano":"1795342830123456789","endTimeUnixNano":1795342831000000000,
  "attributes":[{"key":"http.route","value":{"stringValue":"/greet"}},
    {"key":"http.response.status_code","value":{"intValue":"503"}},{"key":"app.cached","value":{"boolValue":false}}],
  "droppedAttributesCount":"2",
  "events":[{"timeUnixNano":"1795342830123456790","name":"exception",
    "attributes":[{"key":"exception.type","value":{"stringValue":"Gone"}}]}],"droppedEventsCount":1,
  "links":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00000000000000c1",
    "attributes":[{"key":"link.kind","value":{"stringValue":"retry"}}]}],"droppedLinksCount":3,
  "status":{"code":"STATUS_CODE_ERROR","message":"backend gone"}}]},
{"scope":{"name":"jobs","version":"1.0"},"spans":[{
  "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00000000000000c1","parent_span_id":null,
  "name":"gr\u00f6ße","start_time_unix_nano":1795342830123456789,"end_time_unix_nano":"1795342830123456789",
  "attributes":null,"status":{"code":1}}]}],
"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api-service"}}]},
"schemaUrl":"https://opentelemetry.io/schemas/1.42.0"},
{"resource":null,"scopeSpans":[{"scope":null,"schemaUrl":null,"spans":[]},{"scope":null,"spans":null}],"schemaUrl":null}]}"#;

pub(crate) const CLOUD_TRACE_JSON: &str = r#"{"name":"projects/demo","spans":[{
  "name":"projects/demo/traces/d36a105d7002f0dee73c0dfb9553764a/spans/00000000000000b1","spanId":"00000000000000b1",
  "parentSpanId":"00000000000000a1","displayName":{"value":"POST /greet"},
  "startTime":"2026-11-22T10:20:30.123456789Z","endTime":"2026-11-22T11:20:31+01:00",
  "attributes":{"attributeMap":{"http.route":{"stringValue":{"value":"/greet"}},
    "http.response.status_code":{"intValue":"503"},"app.cached":{"boolValue":false}},"droppedAttributesCount":2},
  "timeEvents":{"timeEvent":[{"time":"2026-11-22T10:20:30.123456790Z","annotation":{"description":{"value":"exception"},
    "attributes":{"attributeMap":{"exception.type":{"stringValue":{"value":"Gone"}}}}}}],"droppedAnnotationsCount":1},
  "links":{"link":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00000000000000c1","type":"TYPE_UNSPECIFIED",
    "attributes":{"attributeMap":{"link.kind":{"stringValue":{"value":"retry"}}}}}],"droppedLinksCount":3},
  "status":{"code":2,"message":"backend gone"},"sameProcessAsParentSpan":false,"spanKind":"SERVER","later":1},
 {"name":"projects/demo/traces/4bf92f3577b34da6a3ce929d0e0e4736/spans/00000000000000c1","span_id":"00000000000000c1",
  "display_name":{"value":"größe"},"start_time":{"seconds":"1795342830","nanos":123456789},
  "end_time":"2026-11-22T10:20:30.123456789Z","status":{},"attributes":null,"span_kind":0}]}"#;
