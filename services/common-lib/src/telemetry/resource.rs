//! What a process says of itself with every span.
//!
//! `telemetry` gives it to the provider.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};
use opentelemetry_semantic_conventions::resource::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION};

use super::Identity;
use crate::settings::{Environment, Settings};

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
    let cloud_run = settings.cloud_run.iter().flat_map(|found| found.attributes(settings.project.as_deref()));
    Resource::builder_empty()
        .with_attributes(own)
        .with_attributes(cloud_run)
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
