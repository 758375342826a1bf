//! The service as Cloud Run has it: it says who it is to a private backend, and its spans are out before a response ends.
//!
//! The backend and the collector run in the test's process, so it is known what came with a call, and what had been exported when
//! the caller saw the end of the answer.

#[path = "../../common-lib/tests/metadata/mod.rs"]
mod metadata;
mod tls;

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use metadata::{Answers, Metadata, USUAL};
use opentelemetry_sdk::trace::SdkTracerProvider;
use rstest::rstest;
use spanwise_demo_common_lib::instrument::{Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation;
use tls::authority;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

/// The service, all that is around it, and what came out.
struct Deployment {
    _child: Child,
    address: String,
    url_of_backend: String,
    metadata: Metadata,
    /// The `authorization` of each call to the backend.
    calls: Arc<Mutex<Vec<Option<String>>>>,
    /// The names of the spans that were exported.
    spans: Arc<Mutex<Vec<String>>>,
}

impl Deployment {
    async fn start(answers: Answers) -> Self {
        let (calls, spans): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let seen = calls.clone();
        let hooks = Hooks::default().on_start(move |call| {
            let authorization =
                call.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(authorization);
        });
        let provider = SdkTracerProvider::builder().build();
        let instrumentation = Instrumentation::new(&provider, propagation::combine(&[]), hooks);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = listener.local_addr().unwrap();
        tokio::spawn(spanwise_demo_backend_service::serve(listener, instrumentation, std::future::pending()));
        let authority = authority();
        let url_of_backend = tls::before(upstream, &authority).await;

        let exported = spans.clone();
        let collect = async move |body: Bytes| {
            let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let scopes = request["resourceSpans"][0]["scopeSpans"].as_array().unwrap();
            let names = scopes.iter().flat_map(|scope| scope["spans"].as_array().unwrap());
            exported.lock().unwrap().extend(names.map(|span| span["name"].as_str().unwrap().to_owned()));
            Response::builder().header("content-type", "application/json").body("{}".to_owned()).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/traces", post(collect));
        tokio::spawn(async move { axum::serve(listener, router).await });

        let metadata = Metadata::start(answers).await;
        let mut child = Command::new(env!("CARGO_BIN_EXE_api-service"))
            .env_clear()
            .envs([("PORT", "0"), ("K_SERVICE", "api"), ("GCE_METADATA_HOST", &metadata.host)])
            .envs([("BACKEND_SERVICE_URL", &url_of_backend), ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)])
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
            // No batch is sent by the clock while a test runs.
            .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
            .env("SSL_CERT_FILE", tls::file(&authority, &url_of_backend))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().unwrap();
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().to_owned();
            }
        };
        // Somebody must read on, or the service would one day wait for room in the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { _child: child, address, url_of_backend, metadata, calls, spans }
    }

    /// The status of the answer, once its end was seen; whether that was a good one.
    async fn ask(&self, http2: bool, path: &str, body: &'static str, sampled: bool) -> (u16, bool) {
        let client: Client<_, Full<Bytes>> =
            Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("traceparent", format!("00-{T}-000000000000004a-0{}", u8::from(sampled)))
            .body(body.into())
            .unwrap();
        let answer = client.request(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.is_ok())
    }
}

#[rstest]
#[case::answer("/greet", r#"{"name":"Ada"}"#, (200, true), "POST /greet", "Greet")]
#[case::error("/greet", r#"{"name":"Ada","errorCode":"NOT_FOUND"}"#, (404, true), "POST /greet", "Greet")]
#[case::panic("/greet", r#"{"name":"Ada","panic":true}"#, (500, true), "POST /greet", "Greet")]
#[case::stream("/greet-many/Ada", "", (200, true), "GET /greet-many/{name}", "GreetMany")]
#[case::broken("/greet-many/Ada?failAfter=2", "", (200, false), "GET /greet-many/{name}", "GreetMany")]
#[tokio::test]
async fn spans_are_out_when_the_response_ends(
    #[case] path: &str,
    #[case] body: &'static str,
    #[case] expected: (u16, bool),
    #[case] server: &str,
    #[case] client: &str,
    #[values(false, true)] http2: bool,
) {
    let service = Deployment::start(USUAL).await;
    assert_eq!(service.ask(http2, path, body, true).await, expected);
    let mut spans = service.spans.lock().unwrap().clone();
    spans.sort();
    assert_eq!(spans, [server.to_owned(), format!("backend_service.v1.BackendService/{client}")]);
}

#[tokio::test]
async fn a_request_that_is_not_recorded_exports_nothing() {
    let service = Deployment::start(USUAL).await;
    assert_eq!(service.ask(false, "/greet", r#"{"name":"Ada"}"#, false).await, (200, true));
    assert_eq!(service.spans.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn calls_carry_a_token_for_the_backend() {
    let service = Deployment::start(USUAL).await;
    for _ in 0..2 {
        assert_eq!(service.ask(false, "/greet", r#"{"name":"Ada"}"#, true).await, (200, true));
    }
    let calls = service.calls.lock().unwrap().clone();
    let [Some(first), Some(second)] = &calls[..] else { panic!("{calls:?}") };
    assert!(first.starts_with("Bearer e30."), "{first}");
    assert_eq!(first, second);
    let audience = service.url_of_backend.replace(':', "%3A").replace('/', "%2F");
    let question = format!("instance/service-accounts/default/identity?audience={audience}");
    let asked = service.metadata.asked();
    assert_eq!(
        asked.iter().filter(|path| path.contains("service-accounts")).collect::<Vec<_>>(),
        [&question]
    );
}

#[tokio::test]
async fn a_call_without_a_token_fails_and_is_traced() {
    let service = Deployment::start(Answers { status: 404, ..USUAL }).await;
    assert_eq!(service.ask(false, "/greet", r#"{"name":"Ada"}"#, true).await, (401, true));
    assert_eq!(service.calls.lock().unwrap().len(), 0);
    assert_eq!(service.spans.lock().unwrap().len(), 2);
}
