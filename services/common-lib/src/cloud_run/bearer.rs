//! Calls that say who makes them: a tower layer that puts a token into `authorization`.
//!
//! The backend client has it inside the span and the deadline and around the attempts, so getting the token is part of the
//! call and takes from its time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service, ServiceExt as _};

use super::token::Tokens;

/// Makes [`Bearer`] services.
#[derive(Debug, Clone)]
pub struct BearerLayer(Option<Tokens>);

/// A client whose calls carry a token. A call for which there is none fails with UNAUTHENTICATED, as it would at the service,
/// and does not leave.
#[derive(Debug, Clone)]
pub struct Bearer<S> {
    inner: S,
    tokens: Option<Tokens>,
}

impl BearerLayer {
    /// Every call carries one of these tokens, or none where there are none to carry. The channel must be secure: who reads a
    /// token can use it.
    pub fn new(tokens: Option<Tokens>) -> Self {
        Self(tokens)
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = Bearer<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Bearer { inner, tokens: self.0.clone() }
    }
}

impl<S, In, Out> Service<Request<In>> for Bearer<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Status> + Clone + Send + 'static,
    S::Future: Send + 'static,
    In: Send + 'static,
{
    type Response = S::Response;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let Some(tokens) = self.tokens.clone() else { return Box::pin(self.inner.call(request)) };
        // The one that is ready goes with the call; the clone waits for its own turn.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let token = tokens.token().await.map_err(|error| Status::unauthenticated(error.to_string()))?;
            request.headers_mut().insert(AUTHORIZATION, token.bearer());
            inner.ready().await?.call(request).await
        })
    }
}
