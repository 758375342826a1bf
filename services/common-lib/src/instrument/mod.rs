//! Spans around requests: tower layers for HTTP servers, gRPC servers and gRPC clients.
//!
//! The services put them around their routers and channels. All three start a span (`request_span`) before the
//! request goes on, and end it when the last byte of the answer is through (`body`), or when the answer is given up. Hooks
//! run at both ends, of the same type for every protocol. A fourth layer (`flush`) holds an answer's end back until its spans are
//! out. Names and attributes follow the semantic conventions 1.42, the
//! schema that the SDK's convention crate carries.

mod body;
mod catch_panic;
mod flush;
mod grpc_client;
mod grpc_server;
mod headers;
mod hooks;
mod http_server;
mod outcome;
mod request_span;

use std::sync::Arc;

use http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use tokio::sync::watch;

use crate::flush::Flusher;
pub use body::TracedBody;
pub use catch_panic::{CatchPanic, CatchPanicLayer};
pub use flush::{FlushBody, FlushLayer, FlushSpans};
pub use grpc_client::{GrpcClientTrace, GrpcClientTraceLayer};
pub use grpc_server::{GrpcServerTrace, GrpcServerTraceLayer};
use headers::HeaderReader;
pub(crate) use hooks::LogLabels;
pub use hooks::{Hooks, Protocol, RequestEnd, RequestStart};
pub use http_server::{HttpServerTrace, HttpServerTraceLayer};

/// What the layers need: a tracer, the propagators, the hooks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Instrumentation {
    parts: Arc<Parts>,
    /// Present where responses wait for their spans.
    flusher: Option<Flusher>,
}

#[derive(Debug)]
struct Parts {
    tracer: SdkTracer,
    propagator: Box<dyn TextMapPropagator + Send + Sync>,
    hooks: Hooks,
    /// How many request spans have started and not ended.
    open: watch::Sender<usize>,
}

impl Instrumentation {
    /// Makes spans with this provider, and carries context with this propagator.
    pub fn new(
        provider: &SdkTracerProvider,
        propagator: impl TextMapPropagator + Send + Sync + 'static,
        hooks: Hooks,
    ) -> Self {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(SCHEMA_URL)
            .build();
        let tracer = provider.tracer_with_scope(scope);
        let open = watch::Sender::new(0);
        let parts = Parts { tracer, propagator: Box::new(propagator), hooks, open };
        Self { parts: Arc::new(parts), flusher: None }
    }

    /// The same, but [`FlushLayer`] holds the end of each response back until this flusher has exported its spans.
    #[must_use]
    pub fn flushing(self, flusher: Option<Flusher>) -> Self {
        Self { flusher, ..self }
    }

    /// The context that came with a request.
    fn parent(&self, headers: &HeaderMap) -> Context {
        self.parts.propagator.extract_with_context(&Context::new(), &HeaderReader::new(headers))
    }

    /// Resolves when no request span is open. A server that has stopped may still be dropping the requests that their callers
    /// gave up; whoever shuts the exporter down before that loses their spans.
    pub async fn idle(&self) {
        // An error would mean that the sender is gone, and `self` holds it.
        let _ = self.parts.open.subscribe().wait_for(|open| *open == 0).await;
    }
}
