//! What every service under test finds in its environment: the effect of the axes `export`, `propagation` and `platform`, as a
//! table. A suite's own `env`, then the axis `env`, then a case's `services` win over it.

use indexmap::IndexMap;
use spanwise_model::{ContextFormat, Platform};

use crate::axis::Choice;
use crate::template::Template;
use crate::{Export, Propagation};

/// The environment of a service by variable, in the order in which it is set.
pub type Environment = IndexMap<String, Template>;

/// Set for every service. `SSL_CERT_FILE` is read by OpenSSL, rustls-native-certs, Go and Node; a batch delay of 5 ms
/// makes spans come milliseconds after the answer, where 0 makes some SDKs spin.
const ALWAYS: &[(&str, &str)] = &[("PORT", "{{port}}"), ("SSL_CERT_FILE", "{{ca.file}}"), (BATCH_DELAY, "5")];
const BATCH_DELAY: &str = "OTEL_BSP_SCHEDULE_DELAY";

/// Set on Cloud Run, beside the names of [`contract`], and in containers: where client libraries look for the metadata server.
/// Some believe that there is one only where they are told, or see it at the address that it has in the world.
const METADATA: &[(&str, &str)] =
    &[("GCE_METADATA_HOST", "{{metadata.host}}"), ("GCE_METADATA_IP", "{{metadata.host}}")];

/// Set where the suite names a project.
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
/// Read by no library of Google's, but by services that can be told.
const TRACE_ENDPOINT: &str = "GOOGLE_CLOUD_TRACE_ENDPOINT";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";

fn export(export: Export) -> &'static [(&'static str, &'static str)] {
    match export {
        Export::GcpTrace => {
            &[("OTEL_TRACES_EXPORTER", "gcp_trace"), (TRACE_ENDPOINT, "{{collector.cloud_trace}}")]
        }
        Export::OtlpGrpc => &[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "{{collector.otlp_grpc}}"),
        ],
        Export::OtlpHttp => &[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "{{collector.otlp_http}}"),
        ],
        Export::OtlpHttpJson => &[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "{{collector.otlp_http}}"),
        ],
    }
}

fn propagators(propagation: Propagation) -> &'static str {
    match propagation {
        Propagation::GcpTrace => "gcp_trace,baggage",
        Propagation::Tracecontext => "tracecontext,baggage",
        Propagation::Both => "tracecontext,gcp_trace,baggage",
    }
}

/// The names that Cloud Run gives to a service in its environment, and its first revision.
fn contract(service: &str) -> [(&'static str, String); 3] {
    [
        ("K_SERVICE", service.to_owned()),
        ("K_REVISION", format!("{service}-00001-spw")),
        ("K_CONFIGURATION", service.to_owned()),
    ]
}

/// Whether Cloud Run sets a variable itself and refuses to deploy a service that does ("Configure environment variables").
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "PORT" || contract("").iter().any(|(reserved, _)| *reserved == name)
}

/// The environment before the suite adds to it; `deployed` is what the service is deployed with.
///
/// What is deployed gives way to the table, which points the service at this run and not at the world, and does what the axes
/// say. Only the batch delay is no more than a wish: that of the deployment is worth seeing.
pub(crate) fn environment(
    service: &str,
    choice: &Choice,
    project: Option<&str>,
    deployed: &[(String, String)],
    is_container: bool,
) -> Environment {
    let mut environment = Environment::new();
    for (name, value) in ALWAYS.iter().chain(export(choice.export)) {
        // There the real name leads to the mock, so an exporter is left to what it has built in.
        if is_container && *name == TRACE_ENDPOINT {
            continue;
        }
        environment.insert((*name).to_owned(), Template::of_table(value));
    }
    environment.insert(PROPAGATORS.to_owned(), Template::text(propagators(choice.propagation)));
    if let Some(project) = project {
        environment.insert(PROJECT.to_owned(), Template::text(project));
    }
    if is_container || choice.platform == Platform::CloudRun {
        for (name, value) in METADATA {
            environment.insert((*name).to_owned(), Template::of_table(value));
        }
    }
    if choice.platform == Platform::CloudRun {
        for (name, value) in contract(service) {
            environment.insert(name.to_owned(), Template::text(value));
        }
        for (name, value) in deployed {
            // An exporter has more variables than the table: one for traces alone would send them to the world after all.
            let exporter = name.starts_with("OTEL_EXPORTER_");
            if name == BATCH_DELAY || !exporter && !environment.contains_key(name) {
                environment.insert(name.clone(), Template::text(value));
            }
        }
    }
    environment
}

/// What a service's final environment configures: its context formats, and whether it reads baggage.
///
/// Read from the variable and not from the axis, because a suite may set the variable for one service.
pub(crate) fn configured(environment: &Environment) -> (Vec<ContextFormat>, bool) {
    let value = environment.get(PROPAGATORS).and_then(Template::as_text).unwrap_or_default();
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    (
        ContextFormat::ALL.into_iter().filter(|format| words.contains(&format.as_str())).collect(),
        words.contains(&"baggage"),
    )
}
