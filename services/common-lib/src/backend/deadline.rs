//! A deadline over a whole call, its streamed answer included, kept by the client.
//!
//! The backend client wraps it around the retries. tonic's own timeout ends with the response headers and reports
//! CANCELLED, so it is not used. The server is told a later deadline (`grpc-timeout`): it gives up by itself if the client is
//! gone, but never races the client to the answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;
use tower::{Layer, Service};

/// Makes [`Deadline`] services.
#[derive(Debug, Clone, Copy)]
pub struct DeadlineLayer(Duration);

/// A client whose calls end in time.
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
    limit: Duration,
}

/// A response body that ends in time.
#[derive(Debug)]
pub struct DeadlineBody<B> {
    inner: B,
    expiry: Pin<Box<Sleep>>,
}

impl DeadlineLayer {
    /// Every call may take this long.
    pub fn new(limit: Duration) -> Self {
        Self(limit)
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, limit: self.0 }
    }
}

impl<S, In, Out> Service<Request<In>> for Deadline<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Status>,
    S::Future: Send + 'static,
    Out: Send + 'static,
{
    type Response = Response<DeadlineBody<Out>>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let deadline = after(self.limit);
        request.headers_mut().insert("grpc-timeout", told(self.limit));
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = timeout_at(deadline, response).await.map_err(|_| expired())??;
            Ok(response.map(|inner| DeadlineBody { inner, expiry: Box::pin(sleep_until(deadline)) }))
        })
    }
}

impl<B> Body for DeadlineBody<B>
where
    B: Body<Error = Status> + Unpin,
{
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => this.expiry.as_mut().poll(cx).map(|()| Some(Err(expired()))),
            // A server that never pauses gives the timer no turn.
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && this.expiry.deadline() <= Instant::now() => {
                Poll::Ready(Some(Err(expired())))
            }
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// So far from now, or as far as clocks reach.
fn after(limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Instant::now() + limit.min(CENTURY)
}

fn expired() -> Status {
    Status::deadline_exceeded("the deadline of the call passed")
}

/// What the server is told: twice the deadline and a second. The header takes at most eight digits (gRPC over HTTP/2,
/// "Timeout").
fn told(limit: Duration) -> HeaderValue {
    let told = limit.saturating_mul(2).saturating_add(Duration::from_secs(1));
    let text = match told.as_millis() {
        milliseconds @ ..=99_999_999 => format!("{milliseconds}m"),
        _ => format!("{}S", told.as_secs().min(99_999_999)),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("99999999S"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use bytes::Bytes;
    use futures_util::StreamExt as _;
    use http_body_util::{BodyExt as _, StreamBody};
    use rstest::rstest;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    #[rstest]
    #[case(Duration::from_millis(100), "1200m")]
    #[case(Duration::from_secs(5), "11000m")]
    #[case(Duration::from_secs(100_000), "200001S")]
    #[case(Duration::MAX, "99999999S")]
    fn the_server_is_told_a_later_deadline(#[case] limit: Duration, #[case] expected: &str) {
        assert_eq!(told(limit), expected);
    }

    #[tokio::test]
    async fn a_server_that_never_pauses_is_cut_off_too() {
        let endless = || {
            let frames = futures_util::stream::repeat_with(|| Ok::<_, Status>(Frame::data(Bytes::new())));
            Ok::<_, Status>(Response::new(StreamBody::new(frames)))
        };
        let service = service_fn(move |_: Request<()>| std::future::ready(endless()));
        let service = DeadlineLayer::new(Duration::from_millis(1)).layer(service);
        let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
        let status = loop {
            if let Err(status) = body.frame().await.expect("an endless stream") {
                break status;
            }
        };
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_is_cut_off() {
        let (start, limit) = (Instant::now(), Duration::from_secs(5));
        let service = service_fn(|_: Request<()>| {
            let first = futures_util::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from("message")))]);
            let body = StreamBody::new(first.chain(futures_util::stream::pending()));
            std::future::ready(Ok::<_, Status>(Response::new(body)))
        });
        let service = DeadlineLayer::new(limit).layer(service);
        let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "message");
        let status = body.frame().await.unwrap().unwrap_err();
        assert_eq!((status.code(), start.elapsed()), (tonic::Code::DeadlineExceeded, limit));
    }

    #[tokio::test]
    async fn no_deadline_is_too_long() {
        let service = service_fn(|_: Request<()>| {
            std::future::ready(Ok::<_, Status>(Response::new(StreamBody::new(
                futures_util::stream::empty::<Result<Frame<Bytes>, Infallible>>(),
            ))))
        });
        let service = DeadlineLayer::new(Duration::MAX).layer(service);
        assert!(service.oneshot(Request::new(())).await.is_ok());
    }
}
