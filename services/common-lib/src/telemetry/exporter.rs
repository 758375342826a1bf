//! The exporter that the environment asks for, of any protocol, with the credentials that it may need.
//!
//! `telemetry` plugs it into the batch processor. On Cloud Run what goes to Google over a secure channel carries an access token;
//! over a plaintext one a token never travels.

use std::time::Duration;

use http::header::AUTHORIZATION;
use opentelemetry_otlp::{
    Protocol, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;
use tonic::Request;

use super::TelemetryError;
use crate::channel::{self, Target};
use crate::cloud_run::{Tokens, is_for_google};
use crate::cloud_trace::CloudTraceExporter;
use crate::otlp_http::OtlpHttpClient;
use crate::settings::{Exporter, OtlpProtocol, Settings};

/// One of the exporters that settings can ask for.
#[derive(Debug)]
pub enum ConfiguredExporter {
    /// Cloud Trace v2.
    CloudTrace(CloudTraceExporter),
    /// OTLP over HTTP.
    OtlpHttp(OtlpExporter),
    /// OTLP over gRPC.
    OtlpGrpc(OtlpExporter, Option<Ahead>),
}

/// Gets tokens before they are needed: the exporter's interceptor cannot wait for one.
#[derive(Debug)]
pub struct Ahead {
    tokens: Tokens,
    runtime: Handle,
}

impl SpanExporter for ConfiguredExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self {
            Self::CloudTrace(exporter) => exporter.export(batch).await,
            Self::OtlpHttp(exporter) | Self::OtlpGrpc(exporter, None) => exporter.export(batch).await,
            Self::OtlpGrpc(exporter, Some(ahead)) => {
                ahead.fetch().await?;
                exporter.export(batch).await
            }
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::CloudTrace(exporter) => exporter.shutdown_with_timeout(timeout),
            Self::OtlpHttp(exporter) | Self::OtlpGrpc(exporter, _) => exporter.shutdown_with_timeout(timeout),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            Self::CloudTrace(exporter) => exporter.set_resource(resource),
            Self::OtlpHttp(exporter) | Self::OtlpGrpc(exporter, _) => exporter.set_resource(resource),
        }
    }
}

impl Ahead {
    /// Runs on the runtime, of which the batch processor's thread knows nothing.
    async fn fetch(&self) -> OTelSdkResult {
        let tokens = self.tokens.clone();
        let fetched = self.runtime.spawn(async move { tokens.token().await }).await;
        let fetched = fetched.map_err(|error| OTelSdkError::InternalFailure(error.to_string()))?;
        fetched.map(|_| ()).map_err(|error| OTelSdkError::InternalFailure(error.to_string()))
    }
}

/// The exporter that the settings ask for, if they ask for one. Must be called inside a tokio runtime.
///
/// # Errors
/// The exporter's settings cannot be used.
pub fn exporter(settings: &Settings) -> Result<Option<ConfiguredExporter>, TelemetryError> {
    let tokens = settings.cloud_run.as_ref().map(|found| Tokens::for_google(found.metadata.clone()));
    Ok(match &settings.exporter {
        Exporter::None => None,
        Exporter::GcpTrace { endpoint } => {
            let project = settings.project.as_deref().unwrap_or_default();
            let exporter = CloudTraceExporter::lazy(endpoint, project)?.with_tokens(tokens);
            Some(ConfiguredExporter::CloudTrace(exporter))
        }
        Exporter::Otlp { protocol, timeout } => Some(match protocol {
            OtlpProtocol::Grpc { endpoint } => otlp_grpc(endpoint, *timeout, tokens)?,
            OtlpProtocol::HttpProtobuf => otlp_http(Protocol::HttpBinary, *timeout, tokens)?,
            OtlpProtocol::HttpJson => otlp_http(Protocol::HttpJson, *timeout, tokens)?,
        }),
    })
}

// The timeout is given twice: the exporter's own ends its attempts, that of the transport ends an attempt that hangs.

fn otlp_http(
    protocol: Protocol,
    timeout: Duration,
    tokens: Option<Tokens>,
) -> Result<ConfiguredExporter, TelemetryError> {
    let client = OtlpHttpClient::new(timeout).with_tokens(tokens);
    let exporter = OtlpExporter::builder().with_http().with_http_client(client);
    let exporter = exporter.with_protocol(protocol).with_timeout(timeout).build()?;
    Ok(ConfiguredExporter::OtlpHttp(exporter))
}

fn otlp_grpc(
    endpoint: &Target,
    timeout: Duration,
    tokens: Option<Tokens>,
) -> Result<ConfiguredExporter, TelemetryError> {
    let tokens = tokens.filter(|_| endpoint.is_secure() && is_for_google(&endpoint.host));
    let channel = channel::endpoint(endpoint)?.timeout(timeout).connect_lazy();
    let exporter = OtlpExporter::builder().with_tonic().with_channel(channel).with_timeout(timeout);
    let Some(tokens) = tokens else { return Ok(ConfiguredExporter::OtlpGrpc(exporter.build()?, None)) };
    let latest = tokens.clone();
    let exporter = exporter.with_interceptor(move |request| Ok(with_token(request, &latest))).build()?;
    Ok(ConfiguredExporter::OtlpGrpc(exporter, Some(Ahead { tokens, runtime: Handle::current() })))
}

/// The request with the last token, unless `OTEL_EXPORTER_OTLP_HEADERS` gave it other credentials.
fn with_token(mut request: Request<()>, tokens: &Tokens) -> Request<()> {
    let headers = request.metadata_mut().as_mut();
    if let (false, Some(token)) = (headers.contains_key(AUTHORIZATION), tokens.latest()) {
        headers.insert(AUTHORIZATION, token.bearer());
    }
    request
}
