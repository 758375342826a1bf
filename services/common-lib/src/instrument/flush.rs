//! A response that ends only when its spans are out: a tower layer for servers, HTTP and gRPC alike.
//!
//! Services put it around the tracing layer. That one ends the span when the last piece of the body is there (data, trailers or
//! an error); this one holds that piece back until the span has been exported. On Cloud Run the processor is there until the last
//! byte of a response is sent, and may be taken away right after it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::{Layer, Service};

use super::Instrumentation;
use super::request_span::Recorded;
use crate::flush::Flusher;

/// Makes [`FlushSpans`] services.
#[derive(Debug, Clone)]
pub struct FlushLayer(Option<Flusher>);

/// A service whose responses end when their spans are out. Those of requests that are not recorded do not wait.
#[derive(Debug, Clone)]
pub struct FlushSpans<S> {
    inner: S,
    flusher: Option<Flusher>,
}

/// A body that holds its last piece back.
pub struct FlushBody<B: Body> {
    inner: B,
    held: Option<Held<B>>,
    /// Present until the flush was asked for. It stands behind the body, whose span ends when it is dropped.
    unflushed: Option<Unflushed>,
}

/// The last piece of a body, `None` for its bare end, and what it waits for.
struct Held<B: Body> {
    piece: Option<Result<Frame<B::Data>, B::Error>>,
    flushed: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// Asks for a flush when it is dropped: nobody is left to hold a response back from.
#[derive(Debug)]
struct Unflushed(Option<Flusher>);

impl FlushLayer {
    /// A layer that waits as the instrumentation says ([`Instrumentation::flushing`]), or passes everything through.
    pub fn new(instrumentation: &Instrumentation) -> Self {
        Self(instrumentation.flusher.clone())
    }
}

impl<S> Layer<S> for FlushLayer {
    type Service = FlushSpans<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FlushSpans { inner, flusher: self.0.clone() }
    }
}

impl<S, In, Out> Service<Request<In>> for FlushSpans<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    Out: Body + Send + 'static,
{
    type Response = Response<FlushBody<Out>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let mut unflushed = self.flusher.clone().map(|flusher| Unflushed(Some(flusher)));
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            let is_recorded = response.extensions().get::<Recorded>().is_some();
            // Of what is not recorded nothing is to get out, and where there is no body the headers are the last piece.
            if !is_recorded || response.body().is_end_stream() {
                let flusher = unflushed.take().and_then(Unflushed::disarmed);
                if let Some(flusher) = flusher.filter(|_| is_recorded) {
                    flusher.flushed().await;
                }
            }
            Ok(response.map(|inner| FlushBody { inner, held: None, unflushed }))
        })
    }
}

impl<B: Body + Unpin> Body for FlushBody<B>
where
    B::Data: Unpin,
    B::Error: Unpin,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if this.held.is_none() {
            let piece = ready!(Pin::new(&mut this.inner).poll_frame(cx));
            let is_last = match &piece {
                None | Some(Err(_)) => true,
                Some(Ok(frame)) => frame.is_trailers() || this.inner.is_end_stream(),
            };
            match this.unflushed.take_if(|_| is_last).and_then(Unflushed::disarmed) {
                None => return Poll::Ready(piece),
                Some(flusher) => this.held = Some(Held { piece, flushed: Box::pin(flusher.flushed()) }),
            }
        }
        if let Some(held) = &mut this.held {
            ready!(held.flushed.as_mut().poll(cx));
        }
        Poll::Ready(this.held.take().and_then(|held| held.piece))
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.held {
            None => self.inner.size_hint(),
            Some(_) => SizeHint::default(),
        }
    }
}

impl Unflushed {
    /// What is to be asked for the flush in the place of the drop.
    fn disarmed(mut self) -> Option<Flusher> {
        self.0.take()
    }
}

impl Drop for Unflushed {
    fn drop(&mut self) {
        if let Some(flusher) = &self.0 {
            flusher.request();
        }
    }
}
