//! Every protocol on one port: what is sent is what is read, and the answers are the protocol's own.

mod peer;
#[path = "../../decode/tests/telemetry/mod.rs"]
mod telemetry;

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2 as ct;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use peer::{CREATE_SPAN, EXPORT, Raw, call, post, send};
use spanwise_collect::{Behavior, Collector, ListenOptions, Options, PartialSuccess, Persona, Protocols};
use spanwise_model::{Protocol, Source};
use telemetry::{PROTOCOLS, TRACE, cloud_trace_request, expected, otlp_request, payload, trace};
use tonic::Code;

fn collector() -> Collector {
    Collector::new(Options::default())
}

#[tokio::test]
async fn every_protocol_arrives_at_one_port() {
    for gzip in [false, true] {
        let collector = collector();
        let source = Source::new("api-service", 1);
        let listener = collector.listen(source.clone(), Persona::Otlp).expect("a free port");
        for protocol in PROTOCOLS {
            assert!(send(&listener, protocol, payload(protocol), gzip).await, "{protocol:?} gzip={gzip}");
        }
        let (spans, defects) = collector.store().spans_of(trace(TRACE));
        assert_eq!(defects, []);
        assert_eq!(spans.iter().map(|span| span.protocol).collect::<Vec<_>>(), PROTOCOLS.map(Some));
        for (index, span) in spans.iter().enumerate() {
            assert_eq!((&span.name, span.export), (&expected()[0].name, Some(index)));
            assert_eq!(span.source.as_ref(), Some(&source));
        }
        let counts = collector.store().counts();
        assert_eq!((counts.requests, counts.spans, counts.traces), (5, 10, 2));
        assert_eq!((counts.refused, counts.malformed), (0, 0));
        let exports = collector.store().exports();
        let sizes: Vec<u64> = exports.iter().map(|export| export.bytes).collect();
        assert_eq!(sizes, PROTOCOLS.map(|protocol| payload(protocol).len() as u64));
        assert_eq!(exports[3].project.as_deref(), Some("demo"));
        let ids = collector.store().ids_of(trace(TRACE));
        assert!(
            ids.iter().all(|id| id.parent == expected()[0].parent_span_id && id.kind == expected()[0].kind)
        );
    }
}

#[tokio::test]
async fn create_span_gives_the_span_back() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let span = cloud_trace_request().spans.remove(0);
    let echoed: ct::Span = call(&listener, CREATE_SPAN, span.clone(), false).await.expect("an answer");
    assert_eq!(echoed, span);

    let path = format!("/v2/projects/demo/traces/{TRACE}/spans/00000000000000b1");
    let body = br#"{"spanId":"00000000000000b1","displayName":{"value":"by REST"}}"#.to_vec();
    let answer = post(&listener, &path, &[("content-type", "application/json")], body).await;
    assert_eq!(answer.json()["displayName"]["value"], "by REST");

    let (spans, _) = collector.store().spans_of(trace(TRACE));
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["POST /greet", "by REST"]);
    assert!(spans.iter().all(|span| span.malformed_ids.is_empty()));
}

#[tokio::test]
async fn answers_are_in_the_encoding_of_the_request() {
    let collector = collector();
    let partial = PartialSuccess { rejected_spans: 3, message: "too many".to_owned() };
    let behavior = Behavior { partial_success: Some(partial), ..Behavior::default() };
    let plain = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    let options = ListenOptions { behavior, ..ListenOptions::default() };
    let partly = collector.listen_with(options).expect("a free port");

    let protobuf = [("content-type", "application/x-protobuf")];
    let json = [("content-type", "application/json; charset=utf-8")];
    let answer = post(&plain, "/v1/traces", &protobuf, Vec::new()).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.content_type, "application/x-protobuf");
    let answer = post(&plain, "/v1/traces", &json, b"{}".to_vec()).await;
    assert_eq!((answer.content_type.as_str(), &answer.body[..]), ("application/json", &b"{}"[..]));

    let answer = post(&partly, "/v1/traces", &json, b"{}".to_vec()).await;
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "3");
    let answer: ExportTraceServiceResponse =
        call(&partly, EXPORT, otlp_request(), false).await.expect("an answer");
    assert_eq!(answer.partial_success.map(|partial| partial.rejected_spans), Some(3));

    let answer = post(&plain, "/v1/traces", &json, b"{\"resourceSpans\":".to_vec()).await;
    assert_eq!((answer.status, answer.json()["code"].as_i64()), (StatusCode::BAD_REQUEST, Some(3)));
    let answer = post(&plain, "/v1/traces", &protobuf, vec![0x0a, 0x7f]).await;
    assert_eq!(
        (answer.status, answer.content_type.as_str()),
        (StatusCode::BAD_REQUEST, "application/x-protobuf")
    );
    assert!(answer.body.starts_with(&[0x08, 3, 0x12]));
    let answer = post(&plain, "/v1/traces", &[("content-type", "text/plain")], Vec::new()).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn other_signals_are_acknowledged_and_other_paths_are_not() {
    let collector = collector();
    let listener = collector.listen(Source::new("s", 1), Persona::Otlp).expect("a free port");
    for signal in ["metrics", "logs"] {
        let headers = [("content-type", "application/x-protobuf")];
        let answer = post(&listener, &format!("/v1/{signal}"), &headers, vec![1, 2, 3]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let metrics = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    assert!(call::<_, Raw>(&listener, metrics, Raw(vec![1, 2, 3]), false).await.is_ok());
    assert_eq!(collector.store().counts().requests, 0);

    let unknown = call::<_, Raw>(&listener, "/some.Service/Call", Raw::default(), false).await;
    assert_eq!(unknown.expect_err("nothing there").code(), Code::Unimplemented);
    assert_eq!(post(&listener, "/v1/nothing", &[], Vec::new()).await.status, StatusCode::NOT_FOUND);

    let protocols = Protocols { otlp_http: true, ..Protocols::NONE };
    let listener = collector.listen_with(ListenOptions { protocols, ..ListenOptions::default() });
    let listener = listener.expect("a free port");
    assert!(send(&listener, Protocol::OtlpHttpJson, payload(Protocol::OtlpHttpJson), false).await);
    assert!(!send(&listener, Protocol::OtlpGrpc, payload(Protocol::OtlpGrpc), false).await);
    assert!(!send(&listener, Protocol::CloudTraceRest, payload(Protocol::CloudTraceRest), false).await);
}
