//! The body of an answer on its way to the caller, watched and not touched.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::exchange::{Exchange, TIMED_OUT};

/// What a front answers with.
pub(crate) enum AnswerBody {
    /// The service's body.
    Tapped(TappedBody),
    /// The front's own.
    Own(Full<Bytes>),
}

/// A service's body; tells the exchange of every frame and of the end.
pub(crate) struct TappedBody {
    inner: Incoming,
    exchange: Exchange,
    /// When its time is up, where the policy set one. A caller that does not read on is not asked for more by hyper, and so
    /// is cut off when it does, or when it goes away.
    deadline: Option<Pin<Box<Sleep>>>,
    failing: Option<Failing>,
}

/// Why a body ends before its end. hyper looks for the HTTP/2 error code among the sources, and resets the caller's stream
/// with the same one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    /// The service did.
    #[error("the service broke its answer off")]
    ByService(#[source] hyper::Error),
    /// The front did.
    #[error("the time of the request was up")]
    TimedOut(#[source] h2::Error),
}

/// An error that is held back for a moment.
struct Failing {
    error: Option<Cut>,
    flushed: Pin<Box<Sleep>>,
}

/// When a body fails, hyper throws away what it has not written yet, headers included. The caller shall see all that
/// the service sent before it broke off, so the error waits until that is written.
const FLUSH: Duration = Duration::from_millis(150);

impl TappedBody {
    pub(crate) fn new(inner: Incoming, exchange: Exchange, deadline: Option<Instant>) -> TappedBody {
        // waits on purpose: this is the request's timeout, which the policy set.
        let deadline = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
        TappedBody { inner, exchange, deadline, failing: None }
    }

    /// Holds an error back until what came before it was written.
    fn fail(&mut self, error: Cut) {
        // waits on purpose: nothing tells when hyper has written what came before.
        let flushed = Box::pin(tokio::time::sleep(FLUSH));
        self.failing = Some(Failing { error: Some(error), flushed });
    }
}

impl Body for TappedBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(failing) = &mut self.failing {
            ready!(failing.flushed.as_mut().poll(cx));
            return Poll::Ready(failing.error.take().map(Err));
        }
        let is_late = self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready());
        if is_late && !self.inner.is_end_stream() {
            self.exchange.timed_out();
            self.fail(Cut::TimedOut(TIMED_OUT.into()));
            return self.poll_frame(cx);
        }
        let polled = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) if frame.is_data() => self.exchange.data(),
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    self.exchange.trailers(trailers);
                }
            }
            Some(Err(error)) => self.exchange.broken(error),
            None => self.exchange.complete(),
        }
        match polled {
            Some(Err(error)) => {
                self.fail(Cut::ByService(error));
                self.poll_frame(cx)
            }
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            None => Poll::Ready(None),
        }
    }

    // Both are forwarded: without the first, an answer of headers alone would gain an empty DATA frame.
    fn is_end_stream(&self) -> bool {
        self.failing.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for TappedBody {
    /// hyper does not ask for more once it was told that the stream is at its end, so that has to be seen here.
    fn drop(&mut self) {
        if self.inner.is_end_stream() {
            self.exchange.complete();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            AnswerBody::Tapped(body) => Pin::new(body).poll_frame(cx),
            AnswerBody::Own(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            AnswerBody::Tapped(body) => body.is_end_stream(),
            AnswerBody::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            AnswerBody::Tapped(body) => body.size_hint(),
            AnswerBody::Own(body) => body.size_hint(),
        }
    }
}
