//! What a service asks of the metadata server, how it keeps tokens, and that they go nowhere but where they should.

mod metadata;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use futures_util::future::join_all;
use http::{HeaderValue, Response, StatusCode};
use metadata::{Answers, Metadata, USUAL};
use opentelemetry::trace::Status as SpanStatus;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use rstest::rstest;
use spanwise_demo_common_lib::backend::{self, BackendSettings};
use spanwise_demo_common_lib::cloud_run::{BearerLayer, Instance, MetadataError, MetadataServer, Tokens};
use spanwise_demo_common_lib::instrument::{GrpcClientTraceLayer, Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation::combine;
use spanwise_demo_common_lib::settings::{Environment, Settings};
use spanwise_demo_proto::backend_service::v1::GreetRequest;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

const AUDIENCE: &str = "https://backend.example";
const IDENTITY: &str = "instance/service-accounts/default/identity?audience=https%3A%2F%2Fbackend.example";
const ACCESS: &str = "instance/service-accounts/default/token";

async fn start(answers: Answers) -> (Metadata, MetadataServer) {
    let metadata = Metadata::start(answers).await;
    let server = MetadataServer::read(&Environment::of([("GCE_METADATA_HOST", &*metadata.host)])).unwrap();
    (metadata, server)
}

/// The tokens whose question is this one.
fn tokens(server: MetadataServer, question: &str) -> Tokens {
    match question {
        ACCESS => Tokens::for_google(server),
        _ => Tokens::for_service(server, AUDIENCE.to_owned()),
    }
}

#[rstest]
#[case::kept(3600, 1)]
#[case::replaced(0, 2)]
#[tokio::test]
async fn tokens_are_kept_as_long_as_they_are_good(
    #[case] lifetime: u64,
    #[case] questions: usize,
    #[values(IDENTITY, ACCESS)] question: &str,
) {
    let (metadata, server) = start(Answers { lifetime, ..USUAL }).await;
    let tokens = tokens(server, question);
    let (first, second) = (tokens.token().await.unwrap(), tokens.token().await.unwrap());
    assert_eq!(metadata.asked(), vec![question; questions]);
    assert_eq!(first == second, questions == 1);
    assert_eq!(tokens.latest(), Some(second));
}

#[rstest]
#[case::tokens(USUAL, 1)]
#[case::failures(Answers { status: 404, ..USUAL }, 0)]
#[tokio::test]
async fn who_asks_at_the_same_time_gets_the_same_answer(#[case] answers: Answers, #[case] different: usize) {
    let (metadata, server) = start(answers).await;
    let tokens = tokens(server, IDENTITY);
    let answers = join_all((0..50).map(|_| tokens.token())).await;
    assert_eq!(metadata.asked(), [IDENTITY]);
    let mut found: Vec<_> = answers.into_iter().filter_map(Result::ok).collect();
    found.dedup();
    assert_eq!(found.len(), different);
}

#[rstest]
#[case::refused(Answers { status: 404, ..USUAL }, MetadataError::Refused(StatusCode::NOT_FOUND), 1)]
#[case::broken(Answers { status: 503, ..USUAL }, MetadataError::Refused(StatusCode::SERVICE_UNAVAILABLE), 3)]
#[case::somebody_else(Answers { flavor: "Other", ..USUAL }, MetadataError::NotGoogle, 1)]
#[tokio::test]
async fn failures(#[case] answers: Answers, #[case] expected: MetadataError, #[case] questions: usize) {
    let (metadata, server) = start(answers).await;
    assert_eq!(tokens(server, ACCESS).token().await, Err(expected));
    assert_eq!(metadata.asked().len(), questions);
}

/// A call with a token; gives its result, the `authorization` that arrived, if the call did, and the span's outcome.
async fn call(answers: Answers) -> (Result<(), Status>, Vec<HeaderValue>, (SpanStatus, String)) {
    let (_metadata, server) = start(answers).await;
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let seen = arrived.clone();
    let service = ServiceBuilder::new()
        .layer(GrpcClientTraceLayer::new(instrumentation, AUDIENCE.parse().unwrap()))
        .layer(BearerLayer::new(Some(tokens(server, IDENTITY))))
        .service(service_fn(move |request: http::Request<Body>| {
            seen.lock().unwrap().push(request.headers()["authorization"].clone());
            std::future::ready(Ok::<Response<Body>, Status>(Status::new(Code::Ok, "").into_http()))
        }));
    let result = service.oneshot(http::Request::post("/a.B/C").body(Body::empty()).unwrap()).await;
    let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
    let code = span.attributes.iter().find(|attribute| attribute.key.as_str() == "rpc.response.status_code");
    let code = code.map(|attribute| attribute.value.to_string()).unwrap_or_default();
    let arrived = arrived.lock().unwrap().clone();
    (result.map(|_| ()), arrived, (span.status, code))
}

#[tokio::test]
async fn a_call_carries_its_token() {
    let (result, arrived, span) = call(USUAL).await;
    assert!(result.is_ok());
    let [authorization] = &arrived[..] else { panic!("{arrived:?}") };
    assert!(authorization.to_str().unwrap().starts_with("Bearer e30."));
    assert!(authorization.is_sensitive());
    assert_eq!(span, (SpanStatus::Unset, "OK".to_owned()));
}

#[tokio::test]
async fn a_call_without_a_token_does_not_leave() {
    let (result, arrived, span) = call(Answers { status: 404, ..USUAL }).await;
    let status = result.unwrap_err();
    assert_eq!((status.code(), arrived.len()), (Code::Unauthenticated, 0));
    assert_eq!(span, (SpanStatus::error(status.message().to_owned()), "UNAUTHENTICATED".to_owned()));
}

#[tokio::test]
async fn no_token_travels_over_an_insecure_channel() {
    let metadata = Metadata::start(USUAL).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arc::new(Mutex::new(Vec::new()));
    let seen = arrived.clone();
    let router = Router::new().fallback(async move |request: Request| {
        seen.lock().unwrap().push(request.headers().contains_key("authorization"));
        StatusCode::NOT_FOUND
    });
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let environment = Environment::of([
        ("K_SERVICE", "api"),
        ("GCE_METADATA_HOST", &*metadata.host),
        ("BACKEND_SERVICE_URL", &*url),
    ]);
    let settings = BackendSettings::read(&environment).unwrap();
    let provider = SdkTracerProvider::builder().build();
    let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
    let mut client = backend::client(&settings, &instrumentation).unwrap();
    client.greet(GreetRequest { name: "Ada".to_owned(), behavior: None }).await.unwrap_err();
    server.abort();
    assert_eq!((&*arrived.lock().unwrap(), metadata.asked().len()), (&vec![false], 0));
}

async fn completed(host: &str, project: &str) -> Settings {
    let environment = Environment::of([
        ("K_SERVICE", "api"),
        ("GCE_METADATA_HOST", host),
        ("GOOGLE_CLOUD_PROJECT", project),
    ]);
    Settings::read(&environment).unwrap().completed().await.unwrap()
}

#[rstest]
#[case::of_the_platform("", "demo")]
#[case::set("other", "other")]
#[tokio::test]
async fn the_platform_says_where_a_service_runs(#[case] project: &str, #[case] expected: &str) {
    let metadata = Metadata::start(USUAL).await;
    let settings = completed(&metadata.host, project).await;
    assert_eq!(settings.project.as_deref(), Some(expected));
    let text = |text: &str| Some(text.to_owned());
    let instance =
        Instance { project: text("demo"), region: text("us-east4"), id: text("0087244a"), missing: None };
    assert_eq!(settings.cloud_run.unwrap().instance, instance);
}

#[tokio::test]
async fn a_service_starts_without_the_platform() {
    let metadata = Metadata::start(Answers { status: 404, ..USUAL }).await;
    let settings = completed(&metadata.host, "").await;
    assert_eq!(settings.project, None);
    let missing = Some(MetadataError::Refused(StatusCode::NOT_FOUND));
    assert_eq!(settings.cloud_run.unwrap().instance, Instance { missing, ..Instance::default() });
}

#[tokio::test]
async fn a_project_that_nobody_knows_is_missed() {
    let metadata = Metadata::start(Answers { status: 404, ..USUAL }).await;
    let environment = Environment::of([
        ("K_SERVICE", "api"),
        ("GCE_METADATA_HOST", &*metadata.host),
        ("OTEL_TRACES_EXPORTER", "gcp_trace"),
    ]);
    let error = Settings::read(&environment).unwrap().completed().await.unwrap_err();
    assert_eq!(error.variable, "GOOGLE_CLOUD_PROJECT");
}
