//! The service as a process: what is in flight at SIGTERM finishes and its spans get out; a missing setting is named.
//!
//! The backend and the collector run in the test's process, so it is known when the request is in flight and what was exported.

use std::process::Stdio;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::{Notify, mpsc};
use tonic::Status;

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_api-service"));
    command.env_clear().env("PORT", "0").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Serves these routes in this process; gives their URL.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn a_request_in_flight_at_sigterm_finishes_and_its_spans_get_out() {
    let (entered, mut in_flight) = mpsc::unbounded_channel();
    let end = Arc::new(Notify::new());
    let ended = end.clone();
    let backend = serve(Router::new().fallback(async move || {
        entered.send(()).unwrap();
        ended.notified().await;
        Status::not_found("nobody of that name").into_http::<axum::body::Body>()
    }))
    .await;
    let (export, mut exports) = mpsc::unbounded_channel();
    let collect = async move |body: String| {
        export.send(body).unwrap();
        Response::builder().header("content-type", "application/json").body("{}".to_owned()).unwrap()
    };
    let collector = serve(Router::new().route("/v1/traces", post(collect))).await;
    let mut child = command()
        .envs([("BACKEND_SERVICE_URL", &backend), ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)])
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready: serde_json::Value = serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
    let address = ready["address"].as_str().unwrap().to_owned();

    let client: Client<_, Full<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::post(format!("http://{address}/greet")).body(r#"{"name":"Ada"}"#.into()).unwrap();
    let answer = tokio::spawn(client.request(request));
    in_flight.recv().await.unwrap();
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), Signal::SIGTERM).unwrap();
    // Only a service that has begun to stop takes no more connections.
    while TcpStream::connect(&address).await.is_ok() {}
    end.notify_one();
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));

    let request: serde_json::Value = serde_json::from_str(&exports.recv().await.unwrap()).unwrap();
    let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let mut names: Vec<_> = spans.iter().map(|span| span["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["POST /greet", "backend_service.v1.BackendService/Greet"]);
}

#[tokio::test]
async fn without_a_backend_there_is_no_service() {
    let output = command().output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let line: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("BACKEND_SERVICE_URL=\"\""), "{message}");
}
