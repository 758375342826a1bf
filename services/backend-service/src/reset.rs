//! A stream that is reset in the middle, because its request asked for it.
//!
//! `greeter` marks the response; [`where_marked`], inside the tracing layer, then breaks the body where the trailers would have
//! come. tonic itself has no way to leave a stream without a status.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;

/// How long the headers and the greetings before the reset have to get out: HTTP/2 throws away what a stream that is reset
/// has not sent, and nothing tells when it has been. Long enough for a busy machine.
const PAUSE: Duration = Duration::from_millis(250);

/// The mark on a response whose stream is to be reset at its end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResetAtEnd;

/// Breaks the body of a marked response. For `axum::middleware::map_response`.
pub(crate) async fn where_marked(response: Response) -> Response {
    if response.extensions().get::<ResetAtEnd>().is_none() {
        return response;
    }
    response.map(|inner| Body::new(ResetBody { inner, pause: None }))
}

/// A body that fails where its trailers would come.
struct ResetBody {
    inner: Body,
    pause: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for ResetBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
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
