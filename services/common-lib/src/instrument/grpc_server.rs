//! SERVER spans for gRPC: a tower layer for tonic servers.
//!
//! `backend-service` puts it around its server. Health checks and reflection have no spans: probes come every few
//! seconds from the platform, belong to no user's request, and would bury the traces that do.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use opentelemetry::KeyValue;
use opentelemetry::trace::{FutureExt as _, SpanKind};
use opentelemetry_semantic_conventions::attribute::{
    CLIENT_ADDRESS, RPC_METHOD, RPC_METHOD_ORIGINAL, RPC_SYSTEM_NAME, SERVER_ADDRESS, SERVER_PORT,
};
use tower::{Layer, Service};

use super::Instrumentation;
use super::body::TracedBody;
use super::headers::{client_address, grpc_method, server_address};
use super::hooks::Protocol;
use super::outcome::Ending;
use super::request_span::RequestSpan;

/// Services of the infrastructure, which are not traced.
const UNTRACED: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// Makes [`GrpcServerTrace`] services.
#[derive(Debug, Clone)]
pub struct GrpcServerTraceLayer {
    instrumentation: Instrumentation,
    methods: &'static [&'static str],
}

/// A service whose calls have SERVER spans.
#[derive(Debug, Clone)]
pub struct GrpcServerTrace<S> {
    inner: S,
    layer: GrpcServerTraceLayer,
}

impl GrpcServerTraceLayer {
    /// A layer that traces every call but health checks and reflection. `methods` are those of the service, as
    /// `package.Service/Method`: what else callers ask for would make as many span names as they think of, so it has none.
    pub fn new(instrumentation: Instrumentation, methods: &'static [&'static str]) -> Self {
        Self { instrumentation, methods }
    }
}

impl<S> Layer<S> for GrpcServerTraceLayer {
    type Service = GrpcServerTrace<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GrpcServerTrace { inner, layer: self.clone() }
    }
}

impl<S, In, Out> Service<Request<In>> for GrpcServerTrace<S>
where
    S: Service<Request<In>, Response = Response<Out>>,
    S::Future: Send + 'static,
    Out: Body + Unpin + 'static,
    Out::Error: Error + 'static,
{
    type Response = Response<TracedBody<Out>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        if UNTRACED.iter().any(|prefix| request.uri().path().starts_with(prefix)) {
            let response = self.inner.call(request);
            return Box::pin(async move { Ok(TracedBody::untraced(response.await?)) });
        }
        let span = self.layer.start(&request);
        let response = self.inner.call(request).with_context(span.context().clone());
        Box::pin(async move {
            let response = response.await?;
            let ending = Ending::Grpc(SpanKind::Server, response.status());
            Ok(TracedBody::wrap(span, ending, response))
        })
    }
}

impl GrpcServerTraceLayer {
    fn start<B>(&self, request: &Request<B>) -> RequestSpan {
        let asked = grpc_method(request.uri().path());
        let known = self.methods.iter().find(|method| **method == asked);
        let mut attributes = vec![
            KeyValue::new(RPC_SYSTEM_NAME, "grpc"),
            KeyValue::new(RPC_METHOD, known.copied().unwrap_or("_OTHER")),
        ];
        if known.is_none() {
            attributes.push(KeyValue::new(RPC_METHOD_ORIGINAL, asked.to_owned()));
        }
        if let Some((host, port)) = server_address(request) {
            attributes.push(KeyValue::new(SERVER_ADDRESS, host));
            attributes.push(KeyValue::new(SERVER_PORT, i64::from(port)));
        }
        attributes.extend(client_address(request).map(|address| KeyValue::new(CLIENT_ADDRESS, address)));
        RequestSpan::start(
            &self.instrumentation,
            self.instrumentation.parent(request.headers()),
            Protocol::Grpc,
            SpanKind::Server,
            known.copied().unwrap_or("grpc").to_owned(),
            attributes,
            request.headers(),
        )
    }
}
