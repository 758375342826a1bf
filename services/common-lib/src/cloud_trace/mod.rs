//! A thin exporter for Cloud Trace v2: `BatchWriteSpans` over gRPC, at an endpoint of one's choice.
//!
//! `telemetry` plugs it into the batch processor. The published exporters for Rust either cannot be pointed at another
//! endpoint, lose the last batch at shutdown, or report wrong status codes. How a span is mapped stands in `convert`, how it is
//! cut to size in `limits`.

mod convert;
mod limits;

use std::time::Duration;

use googleapis_tonic_google_devtools_cloudtrace_v2::google::devtools::cloudtrace::v2;
use http::header::AUTHORIZATION;
use opentelemetry::Key;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::resource::{ResourceDetector as _, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use opentelemetry_semantic_conventions::resource::TELEMETRY_SDK_VERSION;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tonic::Code;
use tonic::transport::Channel;
use v2::trace_service_client::TraceServiceClient;

use crate::channel::{self, ChannelError, Target};
use crate::cloud_run::Tokens;
use crate::start::FLUSH;
use convert::Converter;

/// How long one batch may take, retries included: a batch that is sent while the service stops shall come to its own end,
/// and say in the log how it failed, before the flush is over.
const DEADLINE: Duration = FLUSH;
/// First wait before a retry; it doubles each time (the API's service configuration: 0.1 s, factor 2, at most 30 s).
const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// Writes finished spans to Cloud Trace.
#[derive(Debug)]
pub struct CloudTraceExporter {
    client: TraceServiceClient<Channel>,
    project: String,
    converter: Converter,
    runtime: Handle,
    is_secure: bool,
    tokens: Option<Tokens>,
}

impl CloudTraceExporter {
    /// An exporter into a project, which connects when it first exports. Must be called inside a tokio runtime, on which the
    /// requests will run: the batch processor's thread has none.
    ///
    /// # Errors
    /// The target is secure and no certificate authority is trusted.
    pub fn lazy(target: &Target, project: &str) -> Result<Self, ChannelError> {
        let endpoint = channel::endpoint(target)?;
        // What cannot stand in a header is left out; the version numbers of crates can.
        let endpoint = endpoint.clone().user_agent(agent()).unwrap_or(endpoint);
        Ok(Self {
            client: TraceServiceClient::new(endpoint.connect_lazy()),
            project: project.to_owned(),
            converter: Converter::new(project, &Resource::builder_empty().build()),
            runtime: Handle::current(),
            is_secure: target.is_secure(),
            tokens: None,
        })
    }

    /// The same, but each request carries one of these access tokens, where the target is secure.
    #[must_use]
    pub fn with_tokens(self, tokens: Option<Tokens>) -> Self {
        Self { tokens: tokens.filter(|_| self.is_secure), ..self }
    }
}

/// What the exporter says of itself, in the label `g.co/agent` and as user agent: Google's form, with the versions of the
/// SDK and of this exporter.
fn agent() -> String {
    let sdk = TelemetryResourceDetector.detect().get(&Key::from_static_str(TELEMETRY_SDK_VERSION));
    let sdk = sdk.map_or_else(|| "0.0.0".to_owned(), |version| version.to_string());
    format!("opentelemetry-rust {sdk}; google-cloud-trace-exporter {}", env!("CARGO_PKG_VERSION"))
}

impl SpanExporter for CloudTraceExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let request = v2::BatchWriteSpansRequest {
            name: format!("projects/{}", self.project),
            spans: batch.into_iter().map(|span| self.converter.span(span)).collect(),
        };
        let sent = self.runtime.spawn(write(self.client.clone(), self.tokens.clone(), request)).await;
        sent.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?
            .map_err(|status| OTelSdkError::InternalFailure(status.to_string()))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.converter = Converter::new(&self.project, resource);
    }
}

/// Sends one batch, and again as long as the API's retry contract and the deadline allow.
async fn write(
    client: TraceServiceClient<Channel>,
    tokens: Option<Tokens>,
    request: v2::BatchWriteSpansRequest,
) -> Result<(), tonic::Status> {
    let deadline = Instant::now() + DEADLINE;
    let mut backoff = FIRST_BACKOFF;
    loop {
        let attempt = attempt(client.clone(), tokens.as_ref(), request.clone());
        let answer = tokio::time::timeout_at(deadline, attempt).await;
        let error = match answer {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(status)) => status,
            Err(_) => return Err(tonic::Status::deadline_exceeded("no answer in time")),
        };
        let may_pass = matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded);
        if !may_pass || Instant::now() + backoff >= deadline {
            return Err(error);
        }
        // waits on purpose: the backoff between two attempts
        tokio::time::sleep(backoff).await;
        backoff *= 2;
    }
}

/// One attempt. Without a token that could be had it would only be refused.
async fn attempt(
    mut client: TraceServiceClient<Channel>,
    tokens: Option<&Tokens>,
    request: v2::BatchWriteSpansRequest,
) -> Result<(), tonic::Status> {
    let mut request = tonic::Request::new(request);
    if let Some(tokens) = tokens {
        let token = tokens.token().await;
        let token = token.map_err(|error| tonic::Status::unauthenticated(error.to_string()))?;
        request.metadata_mut().as_mut().insert(AUTHORIZATION, token.bearer());
    }
    client.batch_write_spans(request).await.map(|_| ())
}
