//! The deadline that a gRPC caller gave its call (`grpc-timeout`), kept by the server.
//!
//! `backend-service` puts it inside the tracing layer, so that the span sees DEADLINE_EXCEEDED as the caller does. tonic's own
//! server keeps the deadline outside of all layers: the span would see a call that was given up. It also forgets the deadline
//! once the headers are out; here it holds to the end of a stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::Status;

/// Answers DEADLINE_EXCEEDED when the caller's time is over, and drops the handler. For `axum::middleware::from_fn`.
pub async fn keep(request: Request, next: Next) -> Response {
    let Some(limit) = limit(request.headers()) else { return next.run(request).await };
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, next.run(request)).await {
        Ok(response) => response.map(|inner| {
            let expiry = Box::pin(sleep_until(deadline));
            Body::new(DeadlineBody { inner, expiry, expired: false })
        }),
        Err(_) => expired().into_http(),
    }
}

/// How long the call may take, if its headers say so in the form that gRPC over HTTP/2 has for it ("Timeout").
fn limit(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if number.len() > 8 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 60 * 60)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

fn expired() -> Status {
    Status::deadline_exceeded("the caller's deadline passed")
}

/// A response body that ends in time, with a status.
struct DeadlineBody {
    inner: Body,
    expiry: Pin<Box<Sleep>>,
    expired: bool,
}

impl http_body::Body for DeadlineBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if this.expired {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Pending => ready!(this.expiry.as_mut().poll(cx)),
            // A handler that never pauses gives the timer no turn.
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && this.expiry.deadline() <= Instant::now() => {}
            ready => return ready,
        }
        this.expired = true;
        let mut trailers = HeaderMap::new();
        expired().add_header(&mut trailers).map_err(axum::Error::new)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.expired || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use rstest::rstest;
    use tower::ServiceExt as _;

    use super::*;

    #[rstest]
    #[case("200m", Some(Duration::from_millis(200)))]
    #[case("3S", Some(Duration::from_secs(3)))]
    #[case("2M", Some(Duration::from_secs(120)))]
    #[case("99999999H", Some(Duration::from_secs(99_999_999 * 3600)))]
    #[case("7u", Some(Duration::from_micros(7)))]
    #[case("7n", Some(Duration::from_nanos(7)))]
    #[case("", None)]
    #[case("S", None)]
    #[case("+1S", None)]
    #[case("123456789S", None)]
    #[case("1s", None)]
    fn limits(#[case] value: &str, #[case] expected: Option<Duration>) {
        let headers = HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), value.parse().unwrap())]);
        assert_eq!(limit(&headers), expected);
    }

    /// What a caller with this deadline gets: the number of frames with data, and the status.
    async fn call(timeout: &str, handler: fn() -> Response) -> (usize, Status) {
        let router = Router::new().fallback(async move || handler()).layer(from_fn(keep));
        let request = Request::builder().header("grpc-timeout", timeout).body(Body::empty()).unwrap();
        let (parts, mut body) = router.oneshot(request).await.unwrap().into_parts();
        let (mut count, mut status) = (0, Status::from_header_map(&parts.headers));
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_trailers() {
                Ok(trailers) => status = Status::from_header_map(&trailers),
                Err(_) => count += 1,
            }
        }
        (count, status.expect("a status"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_stalled_stream_ends_in_time() {
        let handler = || {
            let first = stream::iter([Ok::<_, axum::Error>(Bytes::from_static(b"message"))]);
            Response::new(Body::from_stream(first.chain(stream::pending())))
        };
        let (count, status) = call("200m", handler).await;
        assert_eq!((count, status.code()), (1, tonic::Code::DeadlineExceeded));
    }

    #[tokio::test]
    async fn a_stream_that_never_pauses_ends_in_time() {
        let endless = || {
            let messages = stream::repeat_with(|| Ok::<_, axum::Error>(Bytes::from_static(b"message")));
            Response::new(Body::from_stream(messages))
        };
        let (_, status) = call("1m", endless).await;
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    }
}
