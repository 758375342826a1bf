//! CLIENT spans for gRPC: a tower layer for tonic clients.
//!
//! The backend client puts it outermost, around deadline and retries: one span covers the logical call, however many
//! attempts it takes. The context goes into the headers here, so every attempt carries the same parent, over an insecure
//! channel as over a secure one.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::{FutureExt as _, SpanKind};
use opentelemetry_semantic_conventions::attribute::{
    RPC_METHOD, RPC_SYSTEM_NAME, SERVER_ADDRESS, SERVER_PORT,
};
use tonic::Status;
use tower::{Layer, Service};

use super::Instrumentation;
use super::body::TracedBody;
use super::headers::{HeaderWriter, grpc_method};
use super::hooks::Protocol;
use super::outcome::{Ending, Outcome};
use super::request_span::RequestSpan;
use crate::channel::Target;

/// Makes [`GrpcClientTrace`] services.
#[derive(Debug, Clone)]
pub struct GrpcClientTraceLayer {
    instrumentation: Instrumentation,
    server: Target,
}

/// A client whose calls have CLIENT spans.
#[derive(Debug, Clone)]
pub struct GrpcClientTrace<S> {
    inner: S,
    layer: GrpcClientTraceLayer,
}

impl GrpcClientTraceLayer {
    /// A layer for calls to this server.
    pub fn new(instrumentation: Instrumentation, server: Target) -> Self {
        Self { instrumentation, server }
    }
}

impl<S> Layer<S> for GrpcClientTraceLayer {
    type Service = GrpcClientTrace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcClientTrace { inner, layer: self.clone() }
    }
}

impl<S, In, Out> Service<Request<In>> for GrpcClientTrace<S>
where
    S: Service<Request<In>, Response = Response<Out>, Error = Status>,
    S::Future: Send + 'static,
    Out: Body + Unpin + 'static,
    Out::Error: Error + 'static,
{
    type Response = Response<TracedBody<Out>>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let mut span = self.layer.start(&request);
        let propagator = &self.layer.instrumentation.parts.propagator;
        propagator.inject_context(span.context(), &mut HeaderWriter(request.headers_mut()));
        let response = self.inner.call(request).with_context(span.context().clone());
        Box::pin(async move {
            match response.await {
                Ok(response) => {
                    let ending = Ending::Grpc(SpanKind::Client, response.status());
                    Ok(TracedBody::wrap(span, ending, response))
                }
                // No response at all: no connection, or the deadline passed before there was one.
                Err(status) => {
                    span.end(Outcome::grpc(&SpanKind::Client, status.code(), status.message()));
                    Err(status)
                }
            }
        })
    }
}

impl GrpcClientTraceLayer {
    fn start<B>(&self, request: &Request<B>) -> RequestSpan {
        let method = grpc_method(request.uri().path());
        let attributes = vec![
            KeyValue::new(RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(RPC_METHOD, method.to_owned()),
            KeyValue::new(SERVER_ADDRESS, self.server.host.clone()),
            KeyValue::new(SERVER_PORT, i64::from(self.server.port)),
        ];
        RequestSpan::start(
            &self.instrumentation,
            opentelemetry::Context::current(),
            Protocol::Grpc,
            SpanKind::Client,
            method.to_owned(),
            attributes,
            request.headers(),
        )
    }
}
