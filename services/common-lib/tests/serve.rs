//! Stopping: what is in flight finishes, what outlasts the grace period is cut off, and either way its span gets out.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use http::StatusCode;
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use rstest::rstest;
use spanwise_demo_common_lib::instrument::{Hooks, HttpServerTraceLayer, Instrumentation};
use spanwise_demo_common_lib::propagation::combine;
use spanwise_demo_common_lib::serve::serve;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, oneshot};

/// Stops a server while its handler works; gives the status that the caller got, if any, and the spans that have ended by the
/// time the server has.
async fn stop_in_flight(http2: bool, handler_ends: bool) -> (Option<StatusCode>, Vec<SpanData>) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
    let (entered, mut handler_entered) = mpsc::channel(1);
    let end = Arc::new(Notify::new());
    let (stop, stopped) = oneshot::channel::<()>();
    let (notice, noticed) = oneshot::channel();

    let handler_end = end.clone();
    let handler = async move || {
        entered.send(()).await.unwrap();
        handler_end.notified().await;
    };
    let router =
        Router::new().route("/", get(handler)).layer(HttpServerTraceLayer::new(instrumentation.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let stop = async {
            stopped.await.unwrap();
            notice.send(()).unwrap();
        };
        serve(listener, router, &instrumentation, stop).await;
    });

    let client: Client<_, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let answer = tokio::spawn(client.get(url.parse().unwrap()));
    handler_entered.recv().await.unwrap();
    stop.send(()).unwrap();
    noticed.await.unwrap();
    if handler_ends {
        end.notify_one();
    }
    server.await.unwrap();
    let spans = exporter.get_finished_spans().unwrap();
    (answer.await.unwrap().ok().map(|response| response.status()), spans)
}

fn assert_one_span(spans: &[SpanData]) {
    let [span] = spans else { panic!("{} spans", spans.len()) };
    assert_eq!((span.name.as_ref(), &span.span_kind), ("GET /", &SpanKind::Server));
}

#[rstest]
#[tokio::test]
async fn a_request_in_flight_finishes(#[values(false, true)] http2: bool) {
    let (status, spans) = stop_in_flight(http2, true).await;
    assert_eq!(status, Some(StatusCode::OK));
    assert_one_span(&spans);
}

// Time is paused: it jumps to the end of the grace period as soon as there is nothing else to do.
#[rstest]
#[tokio::test(start_paused = true)]
async fn a_request_that_outlasts_the_grace_period_is_cut_off(#[values(false, true)] http2: bool) {
    let (status, spans) = stop_in_flight(http2, false).await;
    assert_eq!(status, None);
    assert_one_span(&spans);
}
