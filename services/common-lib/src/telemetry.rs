//! Tracing for one process: resource, exporter, batch processor, propagators.
//!
//! Each service starts it once, hands what [`Telemetry::instrumentation`] gives to its layers, and shuts it down last, so that
//! the spans of the last requests get out. Sampler, span limits and batching are read from the environment by the SDK.

use std::time::Duration;

use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
    WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, SdkTracerProvider, SpanData, SpanExporter,
};
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};

use crate::channel::{self, ChannelError};
use crate::cloud_trace::CloudTraceExporter;
use crate::instrument::{Hooks, Instrumentation};
use crate::otlp_http::OtlpHttpClient;
use crate::propagation;
use crate::settings::{Environment, Exporter, OtlpProtocol, Settings};
use crate::start::FLUSH;

/// Who a service is, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
}

/// An exporter that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// No secure channel to its endpoint can be set up.
    #[error("the exporter cannot be connected")]
    Channel(#[from] ChannelError),
    /// The OTLP exporter refused its settings.
    #[error("the otlp exporter cannot be set up")]
    Otlp(#[from] ExporterBuildError),
}

/// One of the exporters that settings can ask for.
#[derive(Debug)]
pub enum ConfiguredExporter {
    /// Cloud Trace v2.
    CloudTrace(CloudTraceExporter),
    /// OTLP, in any of its forms.
    Otlp(OtlpExporter),
}

impl SpanExporter for ConfiguredExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        match self {
            Self::CloudTrace(exporter) => exporter.export(batch).await,
            Self::Otlp(exporter) => exporter.export(batch).await,
        }
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        match self {
            Self::CloudTrace(exporter) => exporter.shutdown_with_timeout(timeout),
            Self::Otlp(exporter) => exporter.shutdown_with_timeout(timeout),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        match self {
            Self::CloudTrace(exporter) => exporter.set_resource(resource),
            Self::Otlp(exporter) => exporter.set_resource(resource),
        }
    }
}

/// The tracing of this process.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    settings: Settings,
}

impl Telemetry {
    /// Sets up tracing, also for code that uses OpenTelemetry's global tracer and propagator. Must be called inside a tokio
    /// runtime, which the exporters use.
    ///
    /// # Errors
    /// The exporter's settings cannot be used.
    pub fn start(
        environment: &Environment,
        settings: &Settings,
        identity: Identity,
    ) -> Result<Self, TelemetryError> {
        let mut provider =
            SdkTracerProvider::builder().with_resource(resource(environment, settings, identity));
        if let Some(exporter) = exporter(settings)? {
            provider = provider.with_batch_exporter(exporter);
        }
        Ok(Self::of(provider.build(), settings))
    }

    /// The tracing of a provider of one's own, with a sampler or a processor that no setting asks for; [`resource`] and
    /// [`exporter`] are what [`Telemetry::start`] makes one of.
    pub fn of(provider: SdkTracerProvider, settings: &Settings) -> Self {
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(propagation::combine(&settings.propagators));
        Self { provider, settings: settings.clone() }
    }

    /// What the layers of the service need, with its hooks.
    pub fn instrumentation(&self, hooks: Hooks) -> Instrumentation {
        Instrumentation::new(&self.provider, propagation::combine(&self.settings.propagators), hooks)
    }

    /// Exports what is left and stops, after four seconds at the latest, whatever timeout the exporter has. The runtime must still
    /// run, because the exporters send on it.
    pub async fn shutdown(self) {
        let provider = self.provider;
        // Shutting down blocks until the last batch is out, so it must not sit on a thread of the runtime.
        let done = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
        if let Ok(Err(error)) = done {
            tracing::error!(%error, "spans may be lost at shutdown");
        }
    }
}

/// The exporter that the settings ask for, if they ask for one. Must be called inside a tokio runtime.
///
/// # Errors
/// The exporter's settings cannot be used.
pub fn exporter(settings: &Settings) -> Result<Option<ConfiguredExporter>, TelemetryError> {
    Ok(match &settings.exporter {
        Exporter::None => None,
        Exporter::GcpTrace { endpoint } => {
            let project = settings.project.as_deref().unwrap_or_default();
            Some(ConfiguredExporter::CloudTrace(CloudTraceExporter::lazy(endpoint, project)?))
        }
        Exporter::Otlp { protocol, timeout } => Some(ConfiguredExporter::Otlp(otlp(protocol, *timeout)?)),
    })
}

/// The timeout is given twice: the exporter's own ends its attempts, that of the transport ends an attempt that hangs.
fn otlp(protocol: &OtlpProtocol, timeout: Duration) -> Result<OtlpExporter, TelemetryError> {
    let http = |protocol| {
        OtlpExporter::builder()
            .with_http()
            .with_http_client(OtlpHttpClient::new(timeout))
            .with_protocol(protocol)
            .with_timeout(timeout)
            .build()
    };
    Ok(match protocol {
        OtlpProtocol::Grpc { endpoint } => {
            let channel = channel::endpoint(endpoint)?.timeout(timeout).connect_lazy();
            OtlpExporter::builder().with_tonic().with_channel(channel).with_timeout(timeout).build()?
        }
        OtlpProtocol::HttpProtobuf => http(Protocol::HttpBinary)?,
        OtlpProtocol::HttpJson => http(Protocol::HttpJson)?,
    })
}

/// What this process says of itself. The environment's word counts more than the service's own.
pub fn resource(environment: &Environment, settings: &Settings, identity: Identity) -> Resource {
    let own = [
        KeyValue::new(SERVICE_NAME, identity.name),
        KeyValue::new(SERVICE_VERSION, identity.version),
        KeyValue::new(SERVICE_INSTANCE_ID, instance_id()),
    ];
    // Google's OTLP endpoint finds the project in this attribute.
    let project = settings.project.iter().map(|project| KeyValue::new("gcp.project_id", project.clone()));
    let name = environment.get("OTEL_SERVICE_NAME").map(|name| KeyValue::new(SERVICE_NAME, name.to_owned()));
    Resource::builder_empty()
        .with_attributes(own)
        .with_attributes(project)
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(name)
        .build()
}

/// A random UUID (version 4), as the convention recommends.
fn instance_id() -> String {
    let random = u128::from_be_bytes(RandomIdGenerator::default().new_trace_id().to_bytes());
    let hex = format!("{:032x}", random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
