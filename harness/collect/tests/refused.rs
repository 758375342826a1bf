//! Requests that are refused before there is a payload: answered in the protocol's own form, and put down all the same.

mod peer;
#[path = "../../decode/tests/telemetry/mod.rs"]
mod telemetry;

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::StatusCode;
use peer::{Answer, BATCH_WRITE_SPANS, EXPORT, Raw, call, post};
use prost::Message as _;
use spanwise_collect::{
    Behavior, Collector, ListenOptions, Listener, Options, Persona, Protocols, is_recording, read_recorded,
    write_recording,
};
use spanwise_model::{DefectKind, Export, ExportAnswer, Protocol, Source};
use telemetry::{cloud_trace_request, otlp_request, payload};
use tonic::Code;

/// The bound that every protocol has.
const LARGEST: usize = 64 << 20;
/// The bound of Google's endpoints.
const GOOGLES: usize = 16 << 20;

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const REST: &str = "/v2/projects/demo/traces:batchWrite";

fn listening(options: ListenOptions) -> (Collector, Listener) {
    let collector = Collector::new(Options::default());
    let options = ListenOptions { source: Some(Source::new("s", 1)), ..options };
    let listener = collector.listen_with(options).expect("a free port");
    (collector, listener)
}

/// A little that becomes more than anyone takes when it is unpacked.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..=LARGEST >> 20 {
        encoder.write_all(&[b' '; 1 << 20]).expect("memory takes everything");
    }
    encoder.finish().expect("memory takes everything")
});

/// Calls a method with a message that is marked as packed; what matters of the answer is put down.
async fn call_packed(listener: &Listener, path: &str, packed: &[u8]) {
    let headers = [("content-type", "application/grpc"), ("grpc-encoding", "gzip"), ("te", "trailers")];
    let frame = [&[1][..], &(packed.len() as u32).to_be_bytes(), packed].concat();
    assert_eq!(post(listener, path, &headers, frame).await.status, StatusCode::OK);
}

/// The one request of a collector, which was refused with a code and left so many defects.
#[track_caller]
fn check(collector: &Collector, protocol: Protocol, code: &str, defects: usize) -> Export {
    let store = collector.store();
    let exports = store.exports();
    let [export] = &exports[..] else { panic!("{exports:?}") };
    let ExportAnswer::Refused(refusal) = &export.answer else { panic!("{export:?}") };
    assert_eq!((export.protocol, refusal.code.as_str()), (protocol, code), "{refusal:?}");
    assert_eq!((export.source.clone(), export.bytes), (Some(Source::new("s", 1)), 0));
    let counts = store.counts();
    assert_eq!((counts.requests, counts.refused, counts.malformed), (1, 1, defects as u64), "{refusal:?}");
    let found = store.payload_defects();
    let is_own = |defect: &spanwise_model::Defect| {
        (defect.kind, defect.export, &defect.source) == (DefectKind::Payload, Some(0), &export.source)
    };
    assert_eq!((found.len(), found.iter().all(is_own)), (defects, true), "{found:?}");

    // A recording says the same.
    let mut recording = Vec::new();
    write_recording(store, 0, usize::MAX, &mut recording).expect("memory takes everything");
    assert!(is_recording(&recording));
    let (again, decoded) = read_recorded(1, &recording).expect("one line of a recording").decode();
    assert_eq!(&again, export);
    assert_eq!((decoded.spans.len(), decoded.defects.len()), (0, defects));
    export.clone()
}

async fn check_post(
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
    expected: (StatusCode, Protocol, &str, usize),
) -> Answer {
    let (collector, listener) = listening(ListenOptions::default());
    let answer = post(&listener, path, headers, body).await;
    let (status, protocol, code, defects) = expected;
    assert_eq!(answer.status, status, "{path} {headers:?}");
    check(&collector, protocol, code, defects);
    answer
}

async fn check_call(path: &'static str, body: Vec<u8>, protocol: Protocol, expected: (Code, &str)) {
    let (collector, listener) = listening(ListenOptions::default());
    let refused = call::<_, Raw>(&listener, path, Raw(body), false).await.expect_err("it is refused");
    assert_eq!(refused.code(), expected.0, "{refused}");
    check(&collector, protocol, expected.1, 0);
}

#[tokio::test]
async fn what_is_not_served_is_put_down() {
    let not_found = (StatusCode::NOT_FOUND, Protocol::OtlpHttp, "NOT_FOUND", 0);
    check_post("/v1/traces/v1/traces", &[PROTOBUF], Vec::new(), not_found).await;
    let not_found = (StatusCode::NOT_FOUND, Protocol::CloudTraceRest, "NOT_FOUND", 0);
    check_post("/v2/projects//traces:batchWrite", &[JSON], Vec::new(), not_found).await;
    let unsupported = (StatusCode::UNSUPPORTED_MEDIA_TYPE, Protocol::OtlpHttp, "INVALID_ARGUMENT", 0);
    check_post("/v1/traces", &[("content-type", "text/plain")], Vec::new(), unsupported).await;
    let deflate = [JSON, ("content-encoding", "deflate")];
    let unsupported = (StatusCode::UNSUPPORTED_MEDIA_TYPE, Protocol::OtlpHttpJson, "INVALID_ARGUMENT", 0);
    check_post("/v1/traces", &deflate, Vec::new(), unsupported).await;
    let unknown = "/google.devtools.cloudtrace.v1.TraceService/PatchTraces";
    let expected = (Code::Unimplemented, "UNIMPLEMENTED");
    check_call(unknown, Vec::new(), Protocol::CloudTraceGrpc, expected).await;

    let protocols = Protocols { otlp_http: true, ..Protocols::NONE };
    let (collector, listener) = listening(ListenOptions { protocols, ..ListenOptions::default() });
    let refused = call::<_, Raw>(&listener, EXPORT, Raw(payload(Protocol::OtlpGrpc)), false).await;
    assert_eq!(refused.expect_err("it is not served").code(), Code::Unimplemented);
    check(&collector, Protocol::OtlpGrpc, "UNIMPLEMENTED", 0);
}

#[tokio::test]
async fn what_is_no_export_is_not_put_down() {
    let (collector, listener) = listening(ListenOptions::default());
    let health = call::<_, Raw>(&listener, "/grpc.health.v1.Health/Check", Raw::default(), false).await;
    assert_eq!(health.expect_err("it is not served").code(), Code::Unimplemented);
    let metrics = post(&listener, "/v1/metrics", &[("content-type", "text/plain")], Vec::new()).await;
    assert_eq!(metrics.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(collector.store().counts().requests, 0);
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_a_defect() {
    let gzip = ("content-encoding", "gzip");
    let body = b"this is not gzip".to_vec();
    let bad = |protocol| (StatusCode::BAD_REQUEST, protocol, "INVALID_ARGUMENT", 1);
    check_post("/v1/traces", &[PROTOBUF, gzip], body.clone(), bad(Protocol::OtlpHttp)).await;
    check_post("/v1/traces", &[JSON, gzip], body.clone(), bad(Protocol::OtlpHttpJson)).await;
    let answer = check_post(REST, &[JSON, gzip], body, bad(Protocol::CloudTraceRest)).await;
    let error = &answer.json()["error"];
    assert_eq!((error["code"].as_i64(), error["status"].as_str()), (Some(400), Some("INVALID_ARGUMENT")));
    assert!(
        error["message"].as_str().is_some_and(|text| text.starts_with("the body is not gzip")),
        "{error}"
    );

    // A message whose frame says that it is compressed, and is not.
    let (collector, listener) = listening(ListenOptions::default());
    call_packed(&listener, EXPORT, b"oops").await;
    check(&collector, Protocol::OtlpGrpc, "INTERNAL", 1);
}

#[tokio::test]
async fn more_than_64_mib_are_refused() {
    let gzip = ("content-encoding", "gzip");
    let large = |protocol| (StatusCode::PAYLOAD_TOO_LARGE, protocol, "RESOURCE_EXHAUSTED", 0);
    let body = vec![b' '; LARGEST + 1];
    check_post("/v1/traces", &[PROTOBUF], body.clone(), large(Protocol::OtlpHttp)).await;
    let expected = (Code::ResourceExhausted, "RESOURCE_EXHAUSTED");
    check_call(EXPORT, body, Protocol::OtlpGrpc, expected).await;
    // Little is sent, and little may be held.
    check_post("/v1/traces", &[JSON, gzip], BOMB.clone(), large(Protocol::OtlpHttpJson)).await;
    let answer = check_post(REST, &[JSON, gzip], BOMB.clone(), large(Protocol::CloudTraceRest)).await;
    assert_eq!(answer.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    let (collector, listener) = listening(ListenOptions::default());
    call_packed(&listener, BATCH_WRITE_SPANS, &BOMB).await;
    check(&collector, Protocol::CloudTraceGrpc, "RESOURCE_EXHAUSTED", 0);
}

/// OTLP of a size that names its project, so that nothing but its size can be wrong with it.
fn otlp_of(size: usize) -> Vec<u8> {
    let mut request = otlp_request();
    let resource = request.resource_spans[0].resource.as_mut().expect("a resource");
    resource.attributes[0].key = "gcp.project_id".to_owned();
    request.resource_spans[0].scope_spans[0].spans[0].name = "x".repeat(size - 2048);
    let missing = size - request.encoded_len();
    request.resource_spans[0].scope_spans[0].spans[0].name.push_str(&"x".repeat(missing));
    let bytes = request.encode_to_vec();
    assert_eq!(bytes.len(), size);
    bytes
}

#[tokio::test]
async fn googles_bound_is_16_mib_after_decompression() {
    let rest_of = |size: usize| {
        let mut text = String::from_utf8(payload(Protocol::CloudTraceRest)).expect("JSON is text");
        text.push_str(&" ".repeat(size - text.len()));
        text.into_bytes()
    };
    let cloud_trace_of = |size: usize| {
        let mut request = cloud_trace_request();
        request.spans[0].parent_span_id = "0".repeat(size - 2048);
        let missing = size - request.encoded_len();
        request.spans[0].parent_span_id.push_str(&"0".repeat(missing));
        request.encode_to_vec()
    };
    let behavior = Behavior { refuse: true, ..Behavior::default() };
    let options = ListenOptions { persona: Persona::Google, behavior, ..ListenOptions::default() };
    let cases = [
        (Protocol::OtlpGrpc, &otlp_of as &dyn Fn(usize) -> Vec<u8>),
        (Protocol::OtlpHttp, &otlp_of),
        (Protocol::CloudTraceRest, &rest_of),
        (Protocol::CloudTraceGrpc, &cloud_trace_of),
    ];
    for (protocol, of_size) in cases {
        for (size, is_taken) in [(GOOGLES, true), (GOOGLES + 1, false)] {
            let (collector, listener) = listening(options.clone());
            let answer = peer::send(&listener, protocol, of_size(size), true).await;
            assert_eq!(answer, is_taken, "{protocol:?} {size}");
            let export = collector.store().export(0).expect("the request");
            let code = export.would_be_refused.map(|refusal| refusal.code);
            assert_eq!(code.as_deref(), (!is_taken).then_some("RESOURCE_EXHAUSTED"), "{protocol:?} {size}");
        }
    }
}

#[tokio::test]
async fn rest_refuses_in_googles_form() {
    let behavior = Behavior { refuse: true, ..Behavior::default() };
    let (_, listener) = listening(ListenOptions { behavior, ..ListenOptions::default() });
    let answer = post(&listener, REST, &[JSON], b"{\"spans\":".to_vec()).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (StatusCode::BAD_REQUEST, "application/json"));
    let error = &answer.json()["error"];
    assert_eq!((error["code"].as_i64(), error["status"].as_str()), (Some(400), Some("INVALID_ARGUMENT")));
    let large = [&payload(Protocol::CloudTraceRest)[..], &vec![b' '; GOOGLES]].concat();
    let answer = post(&listener, REST, &[JSON], large).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.json()["error"]["status"], "RESOURCE_EXHAUSTED");
}

#[tokio::test]
async fn a_full_store_puts_down_all_but_the_payload() {
    let collector = Collector::new(Options { max_memory: Some(10) });
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let body = Raw(payload(Protocol::CloudTraceGrpc));
    let refused = call::<_, Raw>(&listener, BATCH_WRITE_SPANS, body, false).await.expect_err("it is full");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let export = check(&collector, Protocol::CloudTraceGrpc, "RESOURCE_EXHAUSTED", 0);
    assert_eq!(export.project.as_deref(), Some("demo"));
    assert_eq!(collector.store().counts().spans, 0);
}

#[test]
fn lines_of_other_formats_are_errors_with_their_place() {
    let check = |text: &str, column: usize, part: &str| match read_recorded(3, text.as_bytes()) {
        Err(error) => {
            assert_eq!((error.line, error.column), (3, column), "{error}");
            assert!(error.reason.contains(part), "{error}");
        }
        Ok(recorded) => panic!("read as {recorded:?}"),
    };
    let line = r#"{"recording":1,"source":null,"protocol":"otlp-http","time":0,"spans":0,"headers":[],"answer":"accepted","would_be_refused":null,"payload":""}"#;
    assert_eq!(read_recorded(3, line.as_bytes()).map(|recorded| recorded.recording), Ok(1));
    check(&line.replace(":1,", ":2,"), 1, "recording format 2, and 1 is read here");
    check(&line.replace("\"time\":0,", ""), line.len() - 9, "missing field `time`");
    check(&line.replace("\"\"}", "\"?\"}"), line.len() + 1, "not base64");
    check("{\"recording\":1,", 15, "EOF");
    assert!(!is_recording(b"{\"resourceSpans\":[]}") && is_recording(b" { \"recording\": 1}"));
}
