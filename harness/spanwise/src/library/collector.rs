//! Where a test exports to that has a tracer provider of its own.

/// The mock of an OpenTelemetry collector and of Google Cloud Trace, one port for all protocols. It takes everything that can be
/// parsed; what Google would have refused is known to the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    pub(super) url: String,
}

impl Collector {
    /// The endpoint for OTLP over gRPC, `http://127.0.0.1:PORT`.
    pub fn otlp_grpc_endpoint(&self) -> String {
        self.url.clone()
    }

    /// The base endpoint for OTLP over HTTP, protobuf or JSON, `http://127.0.0.1:PORT`. Exporters that take the endpoint of a
    /// signal want [`Collector::otlp_http_traces_endpoint`].
    pub fn otlp_http_endpoint(&self) -> String {
        self.url.clone()
    }

    /// The endpoint of traces for OTLP over HTTP, `http://127.0.0.1:PORT/v1/traces`.
    pub fn otlp_http_traces_endpoint(&self) -> String {
        format!("{}/v1/traces", self.url)
    }

    /// The endpoint of Cloud Trace v2, gRPC and REST, `http://127.0.0.1:PORT`.
    pub fn cloud_trace_endpoint(&self) -> String {
        self.url.clone()
    }
}
