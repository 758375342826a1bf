//! The service as a process: environment in, ready line out, spans exported by every protocol, flushed on SIGTERM.
//!
//! Each case starts the real binary and a collector of its own, makes one call, and ends the process. Its exit is the proof:
//! what was to be exported has been.

#[path = "../../../common-lib/tests/authority/mod.rs"]
mod authority;
mod cloud_run;
mod collector;
#[path = "../../../common-lib/tests/metadata/mod.rs"]
mod metadata;

use std::process::Stdio;

use collector::{Collector, Export};
use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2::BatchWriteSpansRequest;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use rstest::rstest;
use spanwise_demo_proto::backend_service::v1::backend_service_client::BackendServiceClient;
use spanwise_demo_proto::backend_service::v1::greet_request::Behavior;
use spanwise_demo_proto::backend_service::v1::{GreetRequest, GreetResult};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

const T: &str = "d36a105d7002f0dee73c0dfb9553764a";
const U: &str = "0af7651916cd43dd8448eb211c80319c";

/// A running service and its log.
struct Service {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    /// What it wrote before the ready line.
    before: Vec<serde_json::Value>,
}

fn command(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backend-service"));
    command.env_clear().env("PORT", "0").envs(environment.iter().copied()).kill_on_drop(true);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Service {
    async fn start(environment: &[(&str, &str)]) -> Self {
        let mut child = command(environment).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut before = Vec::new();
        let ready = loop {
            let line = json(&lines.next_line().await.unwrap().unwrap());
            if line["message"] == "listening" {
                break line;
            }
            before.push(line);
        };
        assert_eq!(ready["severity"], "INFO");
        let url = format!("http://{}", ready["address"].as_str().unwrap());
        Self { child, lines, url, before }
    }

    async fn connect(&self) -> Channel {
        Endpoint::from_shared(self.url.clone()).unwrap().connect().await.unwrap()
    }

    async fn greet(&self) {
        let reply = self.call(T, None).await.unwrap().reply;
        assert_eq!(reply, "Hello, Ada!");
    }

    async fn call(&self, trace: &str, behavior: Option<Behavior>) -> Result<GreetResult, Status> {
        let mut client = BackendServiceClient::new(self.connect().await);
        let mut request = Request::new(GreetRequest { name: "Ada".to_owned(), behavior });
        let metadata = request.metadata_mut();
        metadata.insert("x-cloud-trace-context", format!("{trace}/74;o=1").parse().unwrap());
        metadata.insert("x-user-id", "ada".parse().unwrap());
        Ok(client.greet(request).await?.into_inner())
    }

    /// How a stream of greetings fails, if it does.
    async fn stream(&self, behavior: Option<Behavior>) -> Option<Status> {
        let mut client = BackendServiceClient::new(self.connect().await);
        let request = GreetRequest { name: "Ada".to_owned(), behavior };
        let mut greetings = match client.greet_many(request).await {
            Ok(greetings) => greetings.into_inner(),
            Err(status) => return Some(status),
        };
        loop {
            match greetings.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }

    /// Ends it by this signal; gives the lines it wrote after the ready line.
    async fn stop(mut self, signal: Signal) -> Vec<serde_json::Value> {
        kill(Pid::from_raw(self.child.id().unwrap().cast_signed()), signal).unwrap();
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next_line().await.unwrap() {
            lines.push(json(&line));
        }
        assert_eq!(self.child.wait().await.unwrap().code(), Some(0));
        lines
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?} is no JSON: {error}"))
}

/// The protocols, as the environment asks for them.
fn exporter(protocol: &str) -> Vec<(&str, &str)> {
    match protocol {
        "gcp_trace" => vec![("OTEL_TRACES_EXPORTER", "gcp_trace")],
        otlp => vec![("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_EXPORTER_OTLP_PROTOCOL", otlp)],
    }
}

/// Service name, trace id in hex and span name of the one span that was exported.
fn the_span(protocol: &str, exports: &[Export]) -> (String, String, String) {
    let [export] = exports else { panic!("{} exports", exports.len()) };
    match protocol {
        "gcp_trace" => {
            assert_eq!(export.path, "/google.devtools.cloudtrace.v2.TraceService/BatchWriteSpans");
            let request = BatchWriteSpansRequest::decode(&export.body[5..]).unwrap();
            assert_eq!(request.name, "projects/demo");
            let [span] = request.spans.try_into().unwrap();
            let labels = span.attributes.unwrap().attribute_map;
            let service = format!("{:?}", labels["service.name"]);
            assert!(export.user_agent.starts_with("opentelemetry-rust "), "{}", export.user_agent);
            let trace = span.name.split('/').nth(3).unwrap().to_owned();
            let service = service.contains("backend-service").then(|| "backend-service".to_owned());
            (service.unwrap_or_default(), trace, span.display_name.unwrap().value)
        }
        "http/json" => {
            assert_eq!(export.path, "/v1/traces");
            let request = json(std::str::from_utf8(&export.body).unwrap());
            let resource = &request["resourceSpans"][0];
            let span = &resource["scopeSpans"][0]["spans"][0];
            let attributes = resource["resource"]["attributes"].as_array().unwrap();
            let service = attributes.iter().find(|attribute| attribute["key"] == "service.name").unwrap();
            let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            (text(&service["value"]["stringValue"]), text(&span["traceId"]), text(&span["name"]))
        }
        _ => {
            let grpc = protocol == "grpc";
            let body = if grpc { &export.body[5..] } else { &export.body[..] };
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let [resource] = request.resource_spans.try_into().unwrap();
            let attributes = resource.resource.unwrap().attributes;
            let service = attributes.into_iter().find(|attribute| attribute.key == "service.name").unwrap();
            let service = format!("{:?}", service.value.unwrap()).contains("backend-service");
            let span = &resource.scope_spans[0].spans[0];
            let trace = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
            (if service { "backend-service" } else { "" }.to_owned(), trace, span.name.clone())
        }
    }
}

#[rstest]
#[tokio::test]
async fn spans_get_out_on_sigterm(
    #[values("gcp_trace", "grpc", "http/protobuf", "http/json")] protocol: &str,
    #[values(false, true)] secure: bool,
) {
    let collector = Collector::start(secure).await;
    let mut environment = exporter(protocol);
    environment.extend([
        ("GOOGLE_CLOUD_PROJECT", "demo"),
        ("GOOGLE_CLOUD_TRACE_ENDPOINT", &collector.url),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("OTEL_PROPAGATORS", "gcp_trace"),
        ("SSL_CERT_FILE", collector.authority.to_str().unwrap()),
    ]);
    let service = Service::start(&environment).await;
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    let (name, trace, span) = the_span(protocol, &collector.exports());
    assert_eq!((name.as_str(), trace.as_str()), ("backend-service", T));
    assert_eq!(span, "backend_service.v1.BackendService/Greet");
}

#[rstest]
#[tokio::test]
async fn a_collector_that_does_not_answer_is_given_up(
    #[values("grpc", "http/protobuf", "http/json")] protocol: &str,
) {
    let collector = Collector::start(false).await;
    collector.ignore_next();
    let mut environment = exporter(protocol);
    environment.extend([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        // Long enough for a request to get there on a busy machine.
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "3000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1"),
        ("OTEL_PROPAGATORS", "gcp_trace"),
    ]);
    let service = Service::start(&environment).await;
    service.greet().await;
    collector.came().await;
    service.call(U, None).await.unwrap();
    collector.came().await;
    service.stop(Signal::SIGTERM).await;
    let exports = collector.exports();
    let traces: Vec<_> = exports.chunks(1).map(|export| the_span(protocol, export).1).collect();
    assert_eq!((traces.first().unwrap().as_str(), traces.last().unwrap().as_str()), (T, U));
}

#[tokio::test]
async fn spans_say_who_exported_them() {
    let collector = Collector::start(false).await;
    let mut environment = exporter("http/json");
    environment.extend([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_SERVICE_NAME", "other"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=less,team=tea"),
        ("GOOGLE_CLOUD_PROJECT", "demo"),
    ]);
    let service = Service::start(&environment).await;
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    let request = json(std::str::from_utf8(&collector.exports()[0].body).unwrap());
    let attributes = request["resourceSpans"][0]["resource"]["attributes"].as_array().unwrap();
    let value = |key: &str| {
        let found = attributes.iter().find(|attribute| attribute["key"] == key);
        found.unwrap_or_else(|| panic!("no {key}"))["value"]["stringValue"].as_str().unwrap()
    };
    assert_eq!(value("service.name"), "other");
    assert_eq!(value("service.version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(value("service.instance.id").len(), 36);
    assert_eq!(value("gcp.project_id"), "demo");
    assert_eq!(value("team"), "tea");
}

#[rstest]
#[case::unavailable("14", 2)]
#[case::deadline_exceeded("4", 2)]
#[case::permanent("3", 1)]
#[tokio::test]
async fn cloud_trace_is_asked_again_where_that_may_help(
    #[case] status: &'static str,
    #[case] requests: usize,
) {
    let collector = Collector::start(false).await;
    collector.refuse_next(status);
    let environment = [
        ("OTEL_TRACES_EXPORTER", "gcp_trace"),
        ("GOOGLE_CLOUD_PROJECT", "demo"),
        ("GOOGLE_CLOUD_TRACE_ENDPOINT", &collector.url),
    ];
    let service = Service::start(&environment).await;
    service.greet().await;
    service.stop(Signal::SIGTERM).await;
    let exports = collector.exports();
    assert_eq!(exports.len(), requests);
    let batch = |export: &Export| BatchWriteSpansRequest::decode(&export.body[5..]).unwrap();
    assert!(exports.iter().all(|export| batch(export) == batch(&exports[0])), "the same batch again");
}

#[rstest]
#[tokio::test]
async fn a_request_is_one_log_line_with_its_trace(#[values(Signal::SIGTERM, Signal::SIGINT)] signal: Signal) {
    let environment = [
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_PROPAGATORS", "gcp_trace"),
        ("GOOGLE_CLOUD_PROJECT", "demo"),
    ];
    let service = Service::start(&environment).await;
    service.greet().await;
    let lines = service.stop(signal).await;
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(line["severity"], "INFO");
    assert_eq!(line["message"], "backend_service.v1.BackendService/Greet OK");
    assert_eq!(line["logging.googleapis.com/trace"], format!("projects/demo/traces/{T}"));
    assert_eq!(line["logging.googleapis.com/trace_sampled"], true);
    assert_eq!(line["logging.googleapis.com/labels"]["enduser.id"], "ada");
}

#[tokio::test]
async fn a_panic_is_one_log_line_more() {
    let environment = [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_PROPAGATORS", "gcp_trace")];
    let service = Service::start(&environment).await;
    let status = service.call(T, Some(Behavior::Panic(true))).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let lines = service.stop(Signal::SIGTERM).await;
    let [panic, request] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(panic["message"], "panicked: the request asked for a panic");
    assert_eq!(request["message"], "backend_service.v1.BackendService/Greet INTERNAL");
    for line in lines {
        assert_eq!((&line["severity"], &line["logging.googleapis.com/trace"]), (&"ERROR".into(), &T.into()));
    }
}

#[tokio::test]
async fn no_level_hides_the_ready_line() {
    let environment = [("OTEL_TRACES_EXPORTER", "none"), ("RUST_LOG", "error")];
    let service = Service::start(&environment).await;
    service.greet().await;
    assert_eq!(service.stop(Signal::SIGTERM).await, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn health_checks_leave_nothing_behind() {
    let collector = Collector::start(false).await;
    let environment =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let service = Service::start(&environment).await;
    let mut client = HealthClient::new(service.connect().await);
    let request = HealthCheckRequest { service: "backend_service.v1.BackendService".to_owned() };
    let answer = client.check(request).await.unwrap().into_inner();
    assert_eq!(answer.status(), tonic_health::ServingStatus::Serving.into());
    drop(client);
    assert_eq!(service.stop(Signal::SIGTERM).await, Vec::<serde_json::Value>::new());
    assert_eq!(collector.exports().len(), 0);
}

#[rstest]
#[case(("PORT", "x"), "PORT=\"x\"")]
#[case(("OTEL_TRACES_EXPORTER", "jaeger"), "OTEL_TRACES_EXPORTER=\"jaeger\"")]
#[case(("OTEL_TRACES_EXPORTER", "gcp_trace"), "GOOGLE_CLOUD_PROJECT=\"\"")]
#[case(("OTEL_PROPAGATORS", "b3"), "OTEL_PROPAGATORS=\"b3\"")]
#[case(("RUST_LOG", "a=b=c"), "RUST_LOG=\"a=b=c\"")]
#[case(("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url"), "OTEL_EXPORTER_OTLP_ENDPOINT=\"not a url\"")]
#[case(("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"), "OTEL_EXPORTER_OTLP_TIMEOUT=\"10s\"")]
#[tokio::test]
async fn what_is_not_understood_ends_the_process(#[case] setting: (&str, &str), #[case] expected: &str) {
    let message = failed_start(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), setting], 2).await;
    assert!(message.contains(expected), "{message}");
}

#[tokio::test]
async fn a_taken_port_ends_the_process() {
    let taken = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let message = failed_start(&[("OTEL_TRACES_EXPORTER", "none"), ("PORT", &port)], 1).await;
    assert!(message.contains(&format!("PORT={port}: Address already in use")), "{message}");
}

/// What a process says in its last line that ends with this code before it is ready.
async fn failed_start(environment: &[(&str, &str)], code: i32) -> String {
    let mut child = command(environment).spawn().unwrap();
    let (mut out, mut error) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).await.unwrap();
    child.stderr.take().unwrap().read_to_string(&mut error).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(code), "{error}");
    let line = json(&error);
    let message = line["message"].as_str().unwrap();
    assert!(message.starts_with("backend-service: "), "{error}");
    assert_eq!(line["severity"], "ERROR");
    assert!(!out.contains("listening"), "{out}");
    message.to_owned()
}
