//! Ids, texts, values and sources of every shape.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use spanwise_model::{Protocol, Source, SpanId, SpanKind, TraceId, Value};

pub(super) fn trace_id() -> impl Strategy<Value = TraceId> {
    (0..4u8).prop_map(|n| TraceId([n * 0x1b; 16]))
}

/// Ids with letters in them: digits alone would be a decimal number too.
pub(super) fn span_id() -> impl Strategy<Value = SpanId> {
    (0..10u8).prop_map(|n| if n == 0 { SpanId::ZERO } else { SpanId([0xb0 | n; 8]) })
}

pub(super) fn text() -> impl Strategy<Value = String> {
    let known = vec![
        "",
        "x",
        "two words",
        "\"quoted\"",
        "back\\slash",
        "line\nbreak",
        "é∞",
        "{T1}",
        "{S1:d}",
        "\\{",
        "#",
        "|",
        "http",
        "https",
        "ERROR",
        "503",
        "127.0.0.1:80",
        "<port>",
        "true",
        "=",
        "a=b",
        "dns error",
        "\r",
        "\u{85}",
    ];
    prop_oneof![4 => select(known).prop_map(str::to_owned), 1 => any::<String>()]
}

pub(super) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::Str),
        any::<i64>().prop_map(Value::Int),
        (1..1000i64).prop_map(Value::Int),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("equal to itself", |n| !n.is_nan()).prop_map(Value::Double),
        vec(any::<u8>(), 0..4).prop_map(Value::Bytes),
        text().prop_map(Value::Scrubbed),
        select(vec!["UNAVAILABLE", "POST", "grpc", "a.B/C"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            vec((text(), inner), 0..4).prop_map(Value::Map),
        ]
    })
}

pub(super) fn attributes() -> impl Strategy<Value = Vec<(String, Value)>> {
    let keys = vec![
        "http.request.method",
        "http.response.status_code",
        "rpc.response.status_code",
        "url.path",
        "server.port",
        "service.name",
        "status",
        "id",
        "a.b",
        "odd key",
        "",
        "g.co/agent",
        "/http/host",
        "scope",
        "!x",
        "é",
        "thread.id",
        "x:",
        "service.instance.id",
    ];
    vec((select(keys).prop_map(str::to_owned), value()), 0..5)
}

pub(super) fn source() -> impl Strategy<Value = Source> {
    let names = vec![
        "driver",
        "front-end",
        "api-service",
        "api-service",
        "backend-service",
        "a b",
        "R1",
        "?",
        "a#2",
        "1",
        "-",
    ];
    (select(names), 1..3u32).prop_map(|(name, instance)| match name {
        "driver" => Source::driver(),
        "front-end" => Source::front_end(),
        name => Source::new(name, instance),
    })
}

pub(super) fn kind() -> impl Strategy<Value = SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
    select(vec![Server, Server, Client, Client, Internal, Producer, Consumer, Unspecified])
}

pub(super) fn time() -> impl Strategy<Value = u64> {
    prop_oneof![1 => Just(0), 12 => (0..40u64).prop_map(|n| 1_700_000_000_000_000_000 + n * 1_000)]
}

pub(super) fn protocol() -> impl Strategy<Value = Protocol> {
    use Protocol::{CloudTraceGrpc, CloudTraceRest, OtlpGrpc, OtlpHttp, OtlpHttpJson};
    select(vec![OtlpGrpc, OtlpHttp, OtlpHttpJson, CloudTraceGrpc, CloudTraceRest])
}
