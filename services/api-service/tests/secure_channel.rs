//! The service as a process that calls its backend over TLS, as on Cloud Run: the backend itself is plaintext, something before
//! it ends TLS.
//!
//! The backend runs in the test's process, with TLS before it (`tls`); the service is a child, because the trusted
//! authorities come from its environment.

mod tls;

use std::process::Stdio;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use rstest::rstest;
use spanwise_demo_common_lib::instrument::{Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation;
use spanwise_demo_common_lib::settings::Propagator;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use tls::{Authority, authority};

const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

/// Starts the service with this backend and authority; gives it with its address.
async fn start(backend: &str, authority: &Authority) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_api-service"))
        .env_clear()
        .envs([("PORT", "0"), ("BACKEND_SERVICE_URL", backend), ("BACKEND_BACKOFF_MS", "1")])
        .envs([("OTEL_TRACES_EXPORTER", "none"), ("OTEL_PROPAGATORS", "gcp_trace")])
        .env("SSL_CERT_FILE", tls::file(authority, backend))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    // Somebody must read on, or the service would one day wait for room in the pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, ready["address"].as_str().unwrap().to_owned())
}

#[rstest]
#[case::trusted(true, StatusCode::OK)]
#[case::untrusted(false, StatusCode::SERVICE_UNAVAILABLE)]
#[tokio::test]
async fn the_trace_goes_on_over_a_secure_channel(#[case] trusted: bool, #[case] expected: StatusCode) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let propagator = propagation::combine(&[Propagator::GcpTrace]);
    let instrumentation = Instrumentation::new(&provider, propagator, Hooks::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(spanwise_demo_backend_service::serve(listener, instrumentation, std::future::pending()));

    let (own, other) = (authority(), authority());
    let backend = tls::before(upstream, &own).await;

    let (_child, address) = start(&backend, if trusted { &own } else { &other }).await;
    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}/greet"))
        .header("x-cloud-trace-context", format!("{T}/74;o=1"))
        .body(r#"{"name":"Ada"}"#.into())
        .unwrap();
    assert_eq!(client.request(request).await.unwrap().status(), expected);

    let spans = exporter.get_finished_spans().unwrap();
    assert_eq!(spans.len(), usize::from(trusted));
    for span in spans {
        assert_eq!(span.span_context.trace_id().to_string(), T);
        assert_ne!(span.parent_span_id.to_string(), "000000000000004a", "the CLIENT span is in between");
        assert!(span.parent_span_is_remote);
    }
}
