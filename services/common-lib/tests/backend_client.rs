//! The backend client against servers that are no good backend: proxies that answer by themselves.
//!
//! What a whole call leaves behind is tested with both services, in `api-service`.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::Html;
use http::StatusCode;
use opentelemetry::KeyValue;
use opentelemetry::trace::Status as SpanStatus;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use rstest::rstest;
use spanwise_demo_common_lib::backend::{self, BackendSettings};
use spanwise_demo_common_lib::instrument::{Hooks, Instrumentation};
use spanwise_demo_common_lib::propagation::combine;
use spanwise_demo_common_lib::settings::Environment;
use spanwise_demo_common_lib::status::grpc_name;
use spanwise_demo_proto::backend_service::v1::GreetRequest;
use tokio::net::TcpListener;
use tonic::{Code, Status};

/// How a call to this server fails, and its span.
async fn call(server: Router) -> (Status, SpanData) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, server).await });

    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
    let environment = Environment::of([("BACKEND_SERVICE_URL", &*url), ("BACKEND_BACKOFF_MS", "1")]);
    let settings = BackendSettings::read(&environment).unwrap();
    let mut client = backend::client(&settings, &instrumentation).unwrap();
    let request = GreetRequest { name: "Ada".to_owned(), behavior: None };
    let status = client.greet(request).await.unwrap_err();
    server.abort();
    let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
    (status, span)
}

#[rstest]
#[case(400, Code::Internal)]
#[case(401, Code::Unauthenticated)]
#[case(403, Code::PermissionDenied)]
#[case(404, Code::Unimplemented)]
#[case(429, Code::Unavailable)]
#[case(500, Code::Unknown)]
#[case(503, Code::Unavailable)]
#[tokio::test]
async fn a_page_instead_of_an_answer(#[case] http: u16, #[case] code: Code) {
    let http = StatusCode::from_u16(http).unwrap();
    let page = async move || (http, Html("<html><body>Your client has no permission.</body></html>"));
    let (status, span) = call(Router::new().fallback(page)).await;
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(http.as_str()), "{status}");
    for key in ["rpc.response.status_code", "error.type"] {
        assert!(span.attributes.contains(&KeyValue::new(key, grpc_name(code))), "{:?}", span.attributes);
    }
    assert_eq!(span.status, SpanStatus::error(status.message().to_owned()));
}

#[tokio::test]
async fn the_backend_is_told_a_later_deadline() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let note = async move |request: Request| {
        seen.lock().unwrap().push(request.headers()["grpc-timeout"].to_str().unwrap().to_owned());
        StatusCode::NOT_FOUND
    };
    call(Router::new().fallback(note)).await;
    assert_eq!(*told.lock().unwrap(), ["11000m"]);
}
