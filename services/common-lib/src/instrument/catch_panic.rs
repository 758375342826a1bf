//! A panic in a handler becomes an answer: INTERNAL for gRPC, 500 for HTTP.
//!
//! Services put this layer directly inside the tracing layer, so that the span is still there to hold the exception and sees the
//! answer. Without it the client would get a reset stream or a closed connection, and no status at all. The log line is
//! written by the panic hook (`logging`), which knows where it happened.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_semantic_conventions::trace::{EXCEPTION_MESSAGE, EXCEPTION_TYPE};
use tonic::Status;
use tower::{Layer, Service};

/// What callers of gRPC are told. The panic's own message stays in the span: it may hold anything.
const ANSWER: &str = "the handler panicked";

/// Makes [`CatchPanic`] services that answer with this kind of body.
#[derive(Debug)]
pub struct CatchPanicLayer<Out> {
    answer: fn() -> Response<Out>,
}

/// A service that answers although its handler panicked.
#[derive(Debug)]
pub struct CatchPanic<S, Out> {
    inner: S,
    answer: fn() -> Response<Out>,
}

impl CatchPanicLayer<tonic::body::Body> {
    /// A layer that answers INTERNAL.
    pub fn grpc() -> Self {
        Self { answer: || Status::internal(ANSWER).into_http() }
    }
}

impl CatchPanicLayer<axum::body::Body> {
    /// A layer that answers what `answer` makes: the service's own 500.
    pub fn http(answer: fn() -> Response<axum::body::Body>) -> Self {
        Self { answer }
    }
}

// Derived, these would ask for bodies that can be cloned.
impl<Out> Clone for CatchPanicLayer<Out> {
    fn clone(&self) -> Self {
        Self { answer: self.answer }
    }
}

impl<S: Clone, Out> Clone for CatchPanic<S, Out> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), answer: self.answer }
    }
}

impl<S, Out> Layer<S> for CatchPanicLayer<Out> {
    type Service = CatchPanic<S, Out>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner, answer: self.answer }
    }
}

impl<S, In, Out> Service<Request<In>> for CatchPanic<S, Out>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    Out: 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let answer = self.answer;
        let response = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            response.await.unwrap_or_else(|panic| {
                record(panic.as_ref());
                Ok(answer())
            })
        })
    }
}

/// Puts the exception on the request's span.
fn record(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<&str>().copied();
    let message = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let attributes =
        vec![KeyValue::new(EXCEPTION_TYPE, "panic"), KeyValue::new(EXCEPTION_MESSAGE, message.to_owned())];
    opentelemetry::Context::map_current(|context| context.span().add_event("exception", attributes));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use opentelemetry::trace::Status as SpanStatus;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::instrument::{Hooks, HttpServerTraceLayer, Instrumentation};
    use crate::propagation::combine;

    fn answer() -> Response<axum::body::Body> {
        let mut response = Response::new(axum::body::Body::from("sorry"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    async fn panics(request: Request<()>) -> Result<Response<axum::body::Body>, Infallible> {
        panic!("no {}", request.uri().path())
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_recorded_once() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
        let service = ServiceBuilder::new()
            .layer(HttpServerTraceLayer::new(instrumentation))
            .layer(CatchPanicLayer::http(answer))
            .service(service_fn(panics));
        let response = service.oneshot(Request::get("/tea").body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "sorry");

        let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        assert_eq!(span.status, SpanStatus::error(""));
        assert!(span.attributes.contains(&KeyValue::new("error.type", "500")));
        let [event] = &span.events[..] else { panic!("{:?}", span.events) };
        let expected =
            [KeyValue::new("exception.type", "panic"), KeyValue::new("exception.message", "no /tea")];
        assert_eq!((event.name.as_ref(), &event.attributes[..]), ("exception", &expected[..]));
    }
}
