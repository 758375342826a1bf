//! A panic in a handler becomes an answer: INTERNAL for gRPC, 500 for HTTP. A panic while the answer is streamed breaks it off.
//!
//! Services put this layer inside the tracing layer, so that the span is still there to hold the exception and sees the
//! answer. Without it the client would get a reset stream or a closed connection, and no status at all. The log line is
//! written by the panic hook (`logging`), which knows where it happened.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_semantic_conventions::trace::{EXCEPTION_MESSAGE, EXCEPTION_TYPE};
use tonic::Status;
use tower::{Layer, Service};

/// What callers of gRPC are told. The panic's own message stays in the span: it may hold anything.
const ANSWER: &str = "the handler panicked";

/// Makes [`CatchPanic`] services.
#[derive(Debug, Clone, Copy)]
pub struct CatchPanicLayer {
    answer: fn() -> Response<Body>,
}

/// A service that answers although its handler panicked.
#[derive(Debug, Clone)]
pub struct CatchPanic<S> {
    inner: S,
    answer: fn() -> Response<Body>,
}

/// A body that breaks off with INTERNAL if what makes it panics. Nothing is left in it then.
struct CatchPanicBody(Option<Body>);

impl CatchPanicLayer {
    /// A layer that answers INTERNAL.
    pub fn grpc() -> Self {
        Self { answer: || Status::internal(ANSWER).into_http() }
    }

    /// A layer that answers what `answer` makes: the service's own 500.
    pub fn http(answer: fn() -> Response<Body>) -> Self {
        Self { answer }
    }
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner, answer: self.answer }
    }
}

impl<S, In> Service<Request<In>> for CatchPanic<S>
where
    S: Service<Request<In>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let answer = self.answer;
        let response = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            match response.await {
                Ok(response) => Ok(response?.map(|body| Body::new(CatchPanicBody(Some(body))))),
                Err(panic) => {
                    record(panic.as_ref());
                    Ok(answer())
                }
            }
        })
    }
}

impl http_body::Body for CatchPanicBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.0 else { return Poll::Ready(None) };
        catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))).unwrap_or_else(|panic| {
            record(panic.as_ref());
            this.0 = None;
            Poll::Ready(Some(Err(axum::Error::new(Status::internal(ANSWER)))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
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

    use futures_util::{StreamExt as _, stream};
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use opentelemetry::trace::Status as SpanStatus;
    use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
    use tower::{ServiceBuilder, ServiceExt as _, service_fn};

    use super::*;
    use crate::instrument::{Hooks, HttpServerTraceLayer, Instrumentation};
    use crate::propagation::combine;

    fn answer() -> Response<Body> {
        let mut response = Response::new(Body::from("sorry"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    async fn at_once(request: Request<()>) -> Result<Response<Body>, Infallible> {
        panic!("no {}", request.uri().path())
    }

    async fn streaming(request: Request<()>) -> Result<Response<Body>, Infallible> {
        let lines = stream::iter([1, 2]).map(move |line| match line {
            1 => Ok::<_, Infallible>("one"),
            _ => panic!("no {}", request.uri().path()),
        });
        Ok(Response::new(Body::from_stream(lines)))
    }

    /// The answer to a request, or `None` for a body that broke off, and its span, which has one exception.
    async fn call<F>(handler: fn(Request<()>) -> F) -> (StatusCode, Option<Bytes>, SpanData)
    where
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let instrumentation = Instrumentation::new(&provider, combine(&[]), Hooks::default());
        let service = ServiceBuilder::new()
            .layer(HttpServerTraceLayer::new(instrumentation))
            .layer(CatchPanicLayer::http(answer))
            .service(service_fn(handler));
        let response = service.oneshot(Request::get("/tea").body(()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.ok().map(|body| body.to_bytes());

        let [span] = exporter.get_finished_spans().unwrap().try_into().unwrap();
        let [event] = &span.events[..] else { panic!("{:?}", span.events) };
        let expected =
            [KeyValue::new("exception.type", "panic"), KeyValue::new("exception.message", "no /tea")];
        assert_eq!((event.name.as_ref(), &event.attributes[..]), ("exception", &expected[..]));
        (status, body, span)
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_recorded_once() {
        let (status, body, span) = call(at_once).await;
        assert_eq!((status, body), (StatusCode::INTERNAL_SERVER_ERROR, Some(Bytes::from("sorry"))));
        assert_eq!(span.status, SpanStatus::error(""));
        assert!(span.attributes.contains(&KeyValue::new("error.type", "500")));
    }

    #[tokio::test]
    async fn a_panic_in_a_stream_breaks_it_off_and_is_recorded_once() {
        let (status, body, span) = call(streaming).await;
        assert_eq!((status, body), (StatusCode::OK, None));
        assert_eq!(span.status, SpanStatus::error(ANSWER));
        assert!(span.attributes.contains(&KeyValue::new("error.type", "INTERNAL")));
    }
}
