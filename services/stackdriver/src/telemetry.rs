//! The tracer provider: the published exporter with the published authorizer, in front of which a token takes as long as
//! `TOKEN_MS` says.
#![allow(deprecated, reason = "services that still have this crate are what it is about")]

use std::time::Duration;

use opentelemetry::global;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_stackdriver::{
    Authorizer, Error, GcpAuthorizer, StackDriverExporter,
    google_trace_context_propagator::GoogleTraceContextPropagator,
};
use tonic::Request;

/// Google's authorizer, which asks the metadata server by its name, and takes this much longer: as when the metadata server has
/// to make a token. What is handed to the exporter in this time before the end of the process is lost, always, and not only on a
/// bad day.
struct SlowAuthorizer(GcpAuthorizer, Duration);

impl Authorizer for SlowAuthorizer {
    type Error = Error;

    fn project_id(&self) -> &str {
        self.0.project_id()
    }

    async fn authorize<T: Send + Sync>(
        &self,
        request: &mut Request<T>,
        scopes: &[&str],
    ) -> Result<(), Error> {
        // waits on purpose: it stands for a token that has to be made.
        tokio::time::sleep(self.1).await;
        self.0.authorize(request, scopes).await
    }
}

/// A provider that exports to Google.
///
/// # Errors
/// `TOKEN_MS` is no number; there is no metadata server, or no connection to Cloud Trace.
pub(crate) async fn provider(service: &'static str) -> Result<SdkTracerProvider, Box<dyn std::error::Error>> {
    global::set_text_map_propagator(GoogleTraceContextPropagator::default());
    let token = Duration::from_millis(std::env::var("TOKEN_MS").map_or(Ok(0), |millis| millis.parse())?);
    let authorizer = SlowAuthorizer(GcpAuthorizer::new().await?, token);
    let (exporter, sending) = StackDriverExporter::builder().build(authorizer).await?;
    tokio::spawn(sending);
    let resource = Resource::builder().with_service_name(service).build();
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())
}
