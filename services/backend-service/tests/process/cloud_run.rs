//! The service as Cloud Run has it: spans are out before a response ends, exports to Google carry a token, spans say where they
//! come from.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rstest::rstest;
use spanwise_demo_proto::backend_service::v1::fail_after::Failure;
use spanwise_demo_proto::backend_service::v1::{Code as ContractCode, FailAfter};

use super::*;
use crate::metadata::{Metadata, USUAL};

/// No batch is sent by the clock while a test runs.
const NEVER: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "3600000");
const ACCESS: &str = "instance/service-accounts/default/token";

/// A service at this collector; `more` wins over what it usually has.
async fn start(collector: &Collector, metadata: &Metadata, more: &[(&str, &str)]) -> Service {
    let mut environment = vec![
        ("K_SERVICE", "backend"),
        ("K_REVISION", "backend-00001-spw"),
        ("K_CONFIGURATION", "backend"),
        ("GCE_METADATA_HOST", &*metadata.host),
        ("GOOGLE_CLOUD_TRACE_ENDPOINT", &collector.url),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("SSL_CERT_FILE", collector.authority.to_str().unwrap()),
        ("OTEL_PROPAGATORS", "gcp_trace"),
        NEVER,
    ];
    environment.extend(more);
    Service::start(&environment).await
}

/// The names of the spans that have come, by OTLP over gRPC.
fn names(exports: &[Export]) -> Vec<String> {
    let requests = exports.iter().map(|export| ExportTraceServiceRequest::decode(&export.body[5..]).unwrap());
    let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|spans| spans.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
}

fn fails(failure: Failure) -> Option<Behavior> {
    Some(Behavior::FailAfter(FailAfter { messages: 2, failure: Some(failure) }))
}

#[rstest]
#[case::unary("Greet", None, Code::Ok)]
#[case::error("Greet", Some(Behavior::ErrorCode(5)), Code::NotFound)]
#[case::panic("Greet", Some(Behavior::Panic(true)), Code::Internal)]
#[case::stream("GreetMany", None, Code::Ok)]
#[case::error_before_a_stream("GreetMany", Some(Behavior::ErrorCode(5)), Code::NotFound)]
#[case::broken_stream("GreetMany", fails(Failure::ErrorCode(ContractCode::Aborted.into())), Code::Aborted)]
#[case::reset_stream("GreetMany", fails(Failure::Reset(true)), Code::Internal)]
#[tokio::test]
async fn spans_are_out_when_the_response_ends(
    #[case] method: &str,
    #[case] behavior: Option<Behavior>,
    #[case] expected: Code,
    #[values(true, false)] flushes: bool,
) {
    let (collector, metadata) = (Collector::start(false).await, Metadata::start(USUAL).await);
    let switch = ("FLUSH_SPANS", if flushes { "" } else { "background" });
    let service = start(&collector, &metadata, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), switch]).await;
    let code = match method {
        "Greet" => service.call(T, behavior).await.err(),
        _ => service.stream(behavior).await,
    };
    assert_eq!(code.map_or(Code::Ok, |status| status.code()), expected);
    let name = format!("backend_service.v1.BackendService/{method}");
    let at_once = names(&collector.exports());
    assert_eq!(at_once, vec![name.clone(); usize::from(flushes)]);
    service.stop(Signal::SIGTERM).await;
    assert_eq!(names(&collector.exports()), [name], "exported once");
}

#[tokio::test]
async fn what_a_caller_gave_up_is_flushed_as_well() {
    let (collector, metadata) = (Collector::start(false).await, Metadata::start(USUAL).await);
    let service = start(&collector, &metadata, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).await;
    let mut client = BackendServiceClient::new(service.connect().await);
    let endless = Some(Behavior::FailAfter(FailAfter { messages: u32::MAX, failure: None }));
    let request = GreetRequest { name: "Ada".to_owned(), behavior: endless };
    let mut greetings = client.greet_many(request).await.unwrap().into_inner();
    greetings.message().await.unwrap().unwrap();
    assert_eq!(collector.exports().len(), 0);
    drop((greetings, client));
    collector.came().await;
    assert_eq!(names(&collector.exports()), ["backend_service.v1.BackendService/GreetMany"]);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_holds_no_response_back_for_long() {
    let (collector, metadata) = (Collector::start(false).await, Metadata::start(USUAL).await);
    collector.ignore_next();
    let service = start(&collector, &metadata, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).await;
    service.greet().await;
    service.greet().await;
    let lines = service.stop(Signal::SIGTERM).await;
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    let warning = "spans take long to export; responses no longer wait for them";
    assert_eq!(messages.iter().filter(|message| **message == warning).count(), 1, "{messages:?}");
}

#[rstest]
#[tokio::test]
async fn exports_carry_a_token_over_tls_alone(
    #[values("gcp_trace", "grpc", "http/protobuf", "http/json")] protocol: &str,
    #[values(false, true)] secure: bool,
) {
    let (collector, metadata) = (Collector::start(secure).await, Metadata::start(USUAL).await);
    let service = start(&collector, &metadata, &exporter(protocol)).await;
    service.greet().await;
    service.greet().await;
    let lines = service.stop(Signal::SIGTERM).await;
    let exports = collector.exports();
    assert_eq!(exports.len(), 2);
    for export in &exports {
        // Three questions were asked at the start; one token does for both exports.
        assert_eq!(export.authorization, if secure { "Bearer ya29.4" } else { "" });
        the_span(protocol, std::slice::from_ref(export));
    }
    assert_eq!(metadata.asked().iter().filter(|path| *path == ACCESS).count(), usize::from(secure));
    assert!(!format!("{lines:?}").contains("ya29"), "{lines:?}");
}

#[rstest]
#[case::own("grpc", "authorization=Bearer%20own", "K_REVISION", "Bearer own")]
#[case::own("http/protobuf", "authorization=Bearer%20own", "K_REVISION", "Bearer own")]
#[case::elsewhere("grpc", "", "K_SERVICE", "")]
#[case::elsewhere("http/protobuf", "", "K_SERVICE", "")]
#[tokio::test]
async fn exports_without_a_token_of_the_platform(
    #[case] protocol: &str,
    #[case] headers: &str,
    #[case] absent: &str,
    #[case] expected: &str,
) {
    let (collector, metadata) = (Collector::start(true).await, Metadata::start(USUAL).await);
    let mut more = exporter(protocol);
    more.extend([("OTEL_EXPORTER_OTLP_HEADERS", headers), (absent, "")]);
    let service = start(&collector, &metadata, &more).await;
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    let [export] = collector.exports().try_into().unwrap();
    assert_eq!(export.authorization, expected);
}

#[tokio::test]
async fn spans_say_where_they_come_from() {
    let (collector, metadata) = (Collector::start(false).await, Metadata::start(USUAL).await);
    let service = start(&collector, &metadata, &exporter("http/json")).await;
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    let request = json(std::str::from_utf8(&collector.exports()[0].body).unwrap());
    let attributes = request["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
    for (key, expected) in [
        ("cloud.provider", "gcp"),
        ("cloud.platform", "gcp_cloud_run"),
        ("cloud.account.id", "demo"),
        ("cloud.region", "us-east4"),
        ("faas.name", "backend"),
        ("faas.version", "backend-00001-spw"),
        ("faas.instance", "0087244a"),
        ("gcp.project_id", "demo"),
    ] {
        let found = attributes.iter().find(|attribute| attribute["key"] == key);
        assert_eq!(found.unwrap_or_else(|| panic!("no {key}"))["value"]["stringValue"], expected);
    }
}

#[tokio::test]
async fn without_a_metadata_server_a_warning_says_what_spans_lack() {
    let (collector, mut metadata) = (Collector::start(false).await, Metadata::start(USUAL).await);
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    metadata.host = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let service = start(&collector, &metadata, &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).await;
    let [warning] = &service.before[..] else { panic!("{:?}", service.before) };
    assert_eq!(warning["severity"], "WARNING");
    assert_eq!(warning["message"], "spans do not say all of where this service runs");
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    assert_eq!(names(&collector.exports()), ["backend_service.v1.BackendService/Greet"]);
}
