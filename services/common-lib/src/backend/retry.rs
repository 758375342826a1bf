//! Another attempt where the backend was unavailable.
//!
//! The backend client wraps it around the channel. It is for calls with one request message, which it keeps to send it
//! again. An answer that has begun is final: retried is what never reached the backend (no connection, a proxy's 503) and
//! what was answered UNAVAILABLE in the headers, without a body ("Trailers-Only"). UNAVAILABLE in the trailers is passed on, also
//! where no message came before it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, StatusCode};
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
                    Ok(response) if is_unavailable(&response) => {}
                    Err(status) if status.code() == Code::Unavailable => {}
                    done => return done,
                }
                // waits on purpose: the backoff between two attempts
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            attempt(service, Request::from_parts(parts, Body::new(Full::new(message)))).await
        })
    }
}

/// One attempt. What a proxy answered by itself, an HTTP error without a gRPC status, fails with the code that stands for it:
/// its body is no message, and whoever read it as one would only tell of that.
async fn attempt<S, Out>(service: S, request: Request<Body>) -> Result<Response<Out>, Status>
where
    S: Service<Request<Body>, Response = Response<Out>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let response = service.oneshot(request).await.map_err(|error| Status::from_error(error.into()))?;
    let http = response.status();
    if http != StatusCode::OK && grpc_status(response.headers()).is_none() {
        return Err(Status::new(
            grpc_code(http),
            format!("the answer was HTTP {http}, without a gRPC status"),
        ));
    }
    Ok(response)
}

fn is_unavailable<B>(response: &Response<B>) -> bool {
    grpc_status(response.headers()).is_some_and(|(code, _)| code == Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use rstest::rstest;
    use tokio::time::Instant;
    use tower::service_fn;

    use super::*;

    type Answer = Result<Response<Full<Bytes>>, Status>;

    fn status(code: Code) -> Answer {
        Ok(Status::new(code, "").into_http())
    }

    fn bare(http: u16) -> Answer {
        Ok(Response::builder().status(http).body(Full::from("<html>")).unwrap())
    }

    fn no_connection() -> Answer {
        Err(Status::unavailable("refused"))
    }

    /// What the caller gets, and when each attempt was made, in milliseconds. The last answer is given again and again.
    async fn call(max_attempts: u32, mut answers: Vec<Answer>) -> (Code, Vec<u128>) {
        answers.reverse();
        let (start, made) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let (answers, attempts) = (Arc::new(Mutex::new(answers)), made.clone());
        let server = service_fn(move |request: Request<Body>| {
            let (answers, attempts) = (answers.clone(), attempts.clone());
            async move {
                assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "message");
                attempts.lock().unwrap().push(start.elapsed().as_millis());
                let mut answers = answers.lock().unwrap();
                if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
            }
        });
        let service = RetryLayer::new(max_attempts, Duration::from_millis(50)).layer(server);
        let answer = service.oneshot(Request::new(Body::new(Full::from("message")))).await;
        let code = match answer {
            Ok(response) => grpc_status(response.headers()).map_or(Code::Ok, |(code, _)| code),
            Err(status) => status.code(),
        };
        let made = made.lock().unwrap().clone();
        (code, made)
    }

    #[rstest]
    #[case::at_once(3, vec![bare(200)], Code::Ok, &[0])]
    #[case::third_succeeds(3, vec![status(Code::Unavailable), no_connection(), bare(200)], Code::Ok, &[0, 50, 150])]
    #[case::behind_a_proxy(3, vec![bare(503), bare(200)], Code::Ok, &[0, 50])]
    #[case::all_fail(5, vec![status(Code::Unavailable)], Code::Unavailable, &[0, 50, 150, 350, 750])]
    #[case::one_attempt(1, vec![no_connection()], Code::Unavailable, &[0])]
    #[case::never_none(0, vec![bare(200)], Code::Ok, &[0])]
    #[case::final_status(3, vec![status(Code::NotFound)], Code::NotFound, &[0])]
    #[case::final_http_status(3, vec![bare(403)], Code::PermissionDenied, &[0])]
    #[tokio::test(start_paused = true)]
    async fn attempts(
        #[case] max: u32,
        #[case] answers: Vec<Answer>,
        #[case] code: Code,
        #[case] at: &[u128],
    ) {
        assert_eq!(call(max, answers).await, (code, at.to_vec()));
    }
}
