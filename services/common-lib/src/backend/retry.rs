//! Another attempt where the backend was unavailable.
//!
//! The backend client wraps it around the channel. It is for calls with one request message, which it keeps to send it
//! again. An answer that has begun is final: retried is what never reached the backend (no connection, a proxy's 503) and
//! what failed with UNAVAILABLE before the first message.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt as _};

use crate::status::{grpc_code, grpc_status};

/// Makes [`Retry`] services.
#[derive(Debug, Clone, Copy)]
pub struct RetryLayer {
    max_attempts: u32,
    backoff: Duration,
}

/// A client that tries again.
#[derive(Debug, Clone)]
pub struct Retry<S> {
    inner: S,
    layer: RetryLayer,
}

impl RetryLayer {
    /// At most so many attempts; the wait before each doubles, starting with this one.
    pub fn new(max_attempts: u32, backoff: Duration) -> Self {
        Self { max_attempts, backoff }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retry { inner, layer: *self }
    }
}

impl<S, Out> Service<Request<Body>> for Retry<S>
where
    S: Service<Request<Body>, Response = Response<Out>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
    Out: Send + 'static,
{
    type Response = Response<Out>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        // Each attempt waits for the channel itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (service, RetryLayer { max_attempts, backoff }) = (self.inner.clone(), self.layer);
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let message = body.collect().await?.to_bytes();
            let mut wait = backoff;
            for _ in 1..max_attempts {
                let request = Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())));
                match attempt(service.clone(), request).await {
                    Ok(response) if code(&response) != Some(Code::Unavailable) => return Ok(response),
                    Err(status) if status.code() != Code::Unavailable => return Err(status),
                    _ => {}
                }
                // waits on purpose: the backoff between two attempts
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            attempt(service, Request::from_parts(parts, Body::new(Full::new(message)))).await
        })
    }
}

async fn attempt<S, Out>(service: S, request: Request<Body>) -> Result<Response<Out>, Status>
where
    S: Service<Request<Body>, Response = Response<Out>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    service.oneshot(request).await.map_err(|error| Status::from_error(error.into()))
}

/// The code that the headers alone decide.
fn code<B>(response: &Response<B>) -> Option<Code> {
    match grpc_status(response.headers()) {
        Some((code, _)) => Some(code),
        None => (!response.status().is_success()).then(|| grpc_code(response.status())),
    }
}
