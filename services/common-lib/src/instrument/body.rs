//! A response body that ends its request's span when it ends itself.
//!
//! The layers wrap it around the response they pass on. It forwards frames, `is_end_stream` and size hints untouched: a wrapper
//! that did not would change what goes on the wire.

use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use http_body::{Body, Frame, SizeHint};

use super::outcome::{Ending, Outcome};
use super::request_span::RequestSpan;

/// The body of a traced response.
#[derive(Debug)]
pub struct TracedBody<B> {
    inner: B,
    /// Present until the span has ended.
    span: Option<(RequestSpan, Ending)>,
}

impl<B: Body> TracedBody<B> {
    /// Wraps a response's body, or ends the span at once where nothing is to follow.
    pub(super) fn wrap(mut span: RequestSpan, ending: Ending, response: Response<B>) -> Response<Self> {
        let (mut parts, inner) = response.into_parts();
        span.mark(&mut parts.extensions);
        let outcome = match ending.at_headers(&parts.headers) {
            Some(outcome) => Some(outcome),
            None => inner.is_end_stream().then(|| ending.at_end(None)),
        };
        let span = match outcome {
            Some(outcome) => {
                span.end(outcome);
                None
            }
            None => Some((span, ending)),
        };
        Response::from_parts(parts, Self { inner, span })
    }

    /// Passes on a response that has no span.
    pub(super) fn untraced(response: Response<B>) -> Response<Self> {
        response.map(|inner| Self { inner, span: None })
    }
}

impl<B> Body for TracedBody<B>
where
    B: Body + Unpin,
    B::Error: Error + 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        let frame = {
            // What the stream behind the body does, it does for this request.
            let _current = this.span.as_ref().map(|(span, _)| span.context().clone().attach());
            ready!(Pin::new(&mut this.inner).poll_frame(cx))
        };
        if let Some((_, ending)) = &this.span
            && let Some(outcome) = outcome(ending, &frame, this.inner.is_end_stream())
            && let Some((mut span, _)) = this.span.take()
        {
            span.end(outcome);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for TracedBody<B> {
    fn drop(&mut self) {
        if let Some((mut span, ending)) = self.span.take() {
            span.end(ending.given_up());
        }
    }
}

/// The outcome of the request, if this frame was the last.
fn outcome<D, E: Error + 'static>(
    ending: &Ending,
    frame: &Option<Result<Frame<D>, E>>,
    is_end_stream: bool,
) -> Option<Outcome> {
    match frame {
        None => Some(ending.at_end(None)),
        Some(Err(error)) => Some(ending.at_error(error)),
        Some(Ok(frame)) => match frame.trailers_ref() {
            Some(trailers) => Some(ending.at_end(Some(trailers))),
            // Nobody asks again after the last frame.
            None => is_end_stream.then(|| ending.at_end(None)),
        },
    }
}
