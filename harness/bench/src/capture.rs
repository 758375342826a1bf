//! A capture of the demo pair as OTLP JSON lines: what `spanwise check` is measured with.
//!
//! A trace has five spans: an HTTP SERVER span of `api-service` with an INTERNAL one and its gRPC CLIENT span below it, and
//! the SERVER span of `backend-service` with an INTERNAL one. No rule finds anything in it.

use std::ops::Range;

/// Spans of one trace.
pub const SPANS: u64 = 5;

/// The export requests of the two services that hold these traces, each on one line without its end.
pub fn requests(traces: Range<u64>) -> [String; 2] {
    let spans = |of: fn(u64) -> String| traces.clone().map(of).collect::<Vec<_>>().join(",");
    [request("backend-service", &spans(backend)), request("api-service", &spans(api))]
}

fn request(service: &str, spans: &str) -> String {
    let resource = attributes(&[
        ("service.name", service),
        ("service.version", "0.1.0"),
        ("service.instance.id", &format!("{service}-6f7c9d")),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.version", "0.33.1"),
        ("gcp.project_id", "demo-project"),
    ]);
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{resource}]}},"scopeSpans":[{{"scope":{{"name":"common-lib","version":"0.1.0"}},"spans":[{spans}]}}]}}]}}"#
    )
}

fn api(trace: u64) -> String {
    let user = user(trace);
    let served = attributes(&[
        ("http.request.method", "POST"),
        ("url.path", "/greet"),
        ("url.scheme", "http"),
        ("http.route", "/greet"),
        ("client.address", "10.20.30.40"),
        ("server.address", "api-service.internal.example.com"),
        ("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("network.protocol.version", "1.1"),
        ("user.id", &user),
    ]);
    let served = format!("{served},{}", number("http.response.status_code", 200));
    [
        span(trace, 1, 0, 2, "POST /greet", &served),
        span(trace, 2, 1, 1, "validate", &internal(&user)),
        span(trace, 3, 1, 3, METHOD, &called(&user)),
    ]
    .join(",")
}

fn backend(trace: u64) -> String {
    let user = user(trace);
    [span(trace, 4, 3, 2, METHOD, &called(&user)), span(trace, 5, 4, 1, "compose", &internal(&user))]
        .join(",")
}

const METHOD: &str = "backend_service.v1.BackendService/Greet";

fn user(trace: u64) -> String {
    format!("user-{:03}", trace % 1000)
}

fn internal(user: &str) -> String {
    attributes(&[("user.id", user), ("code.function.name", "demo::greet::step")])
}

fn called(user: &str) -> String {
    let texts = attributes(&[
        ("rpc.system.name", "grpc"),
        ("rpc.method", METHOD),
        ("rpc.response.status_code", "OK"),
        ("server.address", "backend-service.internal.example.com"),
        ("network.peer.address", "10.20.30.41"),
        ("user.id", user),
    ]);
    format!("{texts},{}", number("server.port", 8443))
}

/// When the first trace began, in nanoseconds since the Unix epoch.
const EPOCH: u64 = 1_767_225_600_000_000_000;

/// A span of a trace by its place in it, from 1, and that of its parent, 0 for none; deeper ones lie within.
fn span(trace: u64, place: u64, parent: u64, kind: u8, name: &str, attributes: &str) -> String {
    let id = |place: u64| (trace + 1) * 16 + place;
    let parent = match parent {
        0 => String::new(),
        parent => format!(r#""parentSpanId":"{:016x}","#, id(parent)),
    };
    // One trace is over before the next begins.
    let begun = EPOCH + trace * 1_000_000 + place * 1_000;
    let ended = EPOCH + trace * 1_000_000 + 500_000 - place * 1_000;
    format!(
        r#"{{"traceId":"{:032x}","spanId":"{:016x}",{parent}"name":"{name}","kind":{kind},"startTimeUnixNano":"{begun}","endTimeUnixNano":"{ended}","attributes":[{attributes}],"status":{{}}}}"#,
        u128::from(trace) + (1 << 96),
        id(place)
    )
}

fn attributes(pairs: &[(&str, &str)]) -> String {
    let pairs =
        pairs.iter().map(|(key, text)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{text}"}}}}"#));
    pairs.collect::<Vec<_>>().join(",")
}

fn number(key: &str, number: u32) -> String {
    format!(r#"{{"key":"{key}","value":{{"intValue":"{number}"}}}}"#)
}
