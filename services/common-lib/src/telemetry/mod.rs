//! Tracing for one process: resource, exporter, batch processor, propagators.
//!
//! Each service starts it once, hands what [`Telemetry::instrumentation`] gives to its layers, and shuts it down last, so that
//! the spans of the last requests get out. Sampler, span limits and batching are read from the environment by the SDK.

mod exporter;
mod resource;

use opentelemetry::global;
use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::channel::ChannelError;
use crate::flush::Flusher;
use crate::instrument::{Hooks, Instrumentation};
use crate::propagation;
use crate::settings::{Environment, Settings};
use crate::start::FLUSH;
pub use exporter::{ConfiguredExporter, exporter};
pub use resource::resource;

/// Who a service is, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// `service.name`.
    pub name: &'static str,
    /// `service.version`.
    pub version: &'static str,
}

/// Tracing that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// No secure channel to its endpoint can be set up.
    #[error("the exporter cannot be connected")]
    Channel(#[from] ChannelError),
    /// The OTLP exporter refused its settings.
    #[error("the otlp exporter cannot be set up")]
    Otlp(#[from] ExporterBuildError),
    /// There is no thread for flushes.
    #[error("spans cannot be flushed")]
    Flusher(#[from] std::io::Error),
}

/// The tracing of this process.
#[derive(Debug)]
pub struct Telemetry {
    provider: SdkTracerProvider,
    settings: Settings,
    flusher: Option<Flusher>,
}

impl Telemetry {
    /// Sets up tracing, also for code that uses OpenTelemetry's global tracer and propagator. Must be called inside a tokio
    /// runtime, which the exporters use.
    ///
    /// # Errors
    /// The exporter's settings cannot be used, or the operating system gives no thread.
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
        let provider = provider.build();
        let flusher = settings.flushes_responses.then(|| Flusher::start(&provider)).transpose()?;
        Ok(Self { flusher, ..Self::of(provider, settings) })
    }

    /// The tracing of a provider of one's own, with a sampler or a processor that no setting asks for; [`resource()`],
    /// [`exporter()`] and a [`Flusher`] are what [`Telemetry::start`] makes one of.
    pub fn of(provider: SdkTracerProvider, settings: &Settings) -> Self {
        global::set_tracer_provider(provider.clone());
        global::set_text_map_propagator(propagation::combine(&settings.propagators));
        if let Some(error) = settings.cloud_run.as_ref().and_then(|found| found.instance.missing.as_ref()) {
            tracing::warn!(%error, "spans do not say all of where this service runs");
        }
        Self { provider, settings: settings.clone(), flusher: None }
    }

    /// What the layers of the service need, with its hooks.
    pub fn instrumentation(&self, hooks: Hooks) -> Instrumentation {
        Instrumentation::new(&self.provider, propagation::combine(&self.settings.propagators), hooks)
            .flushing(self.flusher.clone())
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
