//! A stream that is reset in the middle, because its request asked for it.
//!
//! `greeter` marks the response; this layer, inside the tracing layer, then breaks the body where the trailers would have
//! come. tonic itself has no way to leave a stream without a status.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tower::{Layer, Service};

/// How long the headers and the greetings before the reset have to get out: HTTP/2 throws away what a stream that is reset
/// has not sent, and nothing tells when it has been. Long enough for a busy machine.
const PAUSE: Duration = Duration::from_millis(100);

/// The mark on a response whose stream is to be reset at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResetAtEnd;

/// Makes [`Reset`] services.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResetLayer;

/// A service whose marked responses are reset.
#[derive(Debug, Clone)]
pub(crate) struct Reset<S>(S);

impl<S> Layer<S> for ResetLayer {
    type Service = Reset<S>;

    fn layer(&self, inner: S) -> Reset<S> {
        Reset(inner)
    }
}

impl<S, In> Service<Request<In>> for Reset<S>
where
    S: Service<Request<In>, Response = Response<tonic::body::Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let response = self.0.call(request);
        Box::pin(async move {
            let response = response.await?;
            if response.extensions().get::<ResetAtEnd>().is_none() {
                return Ok(response);
            }
            Ok(response.map(|inner| tonic::body::Body::new(ResetBody { inner, pause: None })))
        })
    }
}

/// A body that fails where its trailers would come.
struct ResetBody {
    inner: tonic::body::Body,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Body for ResetBody {
    type Data = <tonic::body::Body as Body>::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = self.get_mut();
        if this.pause.is_none() {
            match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                // waits on purpose: what was said before must be sent before the stream is reset
                _ => this.pause = Some(Box::pin(tokio::time::sleep(PAUSE))),
            }
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(cx));
        }
        // hyper answers an error of the body with RST_STREAM (INTERNAL_ERROR).
        Poll::Ready(Some(Err(Status::internal("the request asked for a reset"))))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
