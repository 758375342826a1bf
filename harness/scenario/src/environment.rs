//! What every service under test finds in its environment: the effect of the axes `export` and `propagation`, as a
//! table. A suite's own `env`, then the axis `env`, then a case's `services` win over it.

use indexmap::IndexMap;
use spanwise_model::ContextFormat;

use crate::template::Template;
use crate::{Export, Propagation};

/// The environment of a service by variable, in the order in which it is set.
pub type Environment = IndexMap<String, Template>;

/// Set for every service. `SSL_CERT_FILE` is read by OpenSSL, rustls-native-certs, Go and Node; a batch delay of 5 ms
/// makes spans come milliseconds after the answer, where 0 makes some SDKs spin.
const ALWAYS: &[(&str, &str)] =
    &[("PORT", "{{port}}"), ("SSL_CERT_FILE", "{{ca.file}}"), ("OTEL_BSP_SCHEDULE_DELAY", "5")];

/// Set where the suite names a project.
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
const PROPAGATORS: &str = "OTEL_PROPAGATORS";

fn export(export: Export) -> &'static [(&'static str, &'static str)] {
    match export {
        Export::GcpTrace => &[
            ("OTEL_TRACES_EXPORTER", "gcp_trace"),
            ("GOOGLE_CLOUD_TRACE_ENDPOINT", "{{collector.cloud_trace}}"),
        ],
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

/// The environment before the suite adds to it.
pub(crate) fn environment(exporter: Export, propagation: Propagation, project: Option<&str>) -> Environment {
    let mut environment = Environment::new();
    for (name, value) in ALWAYS.iter().chain(export(exporter)) {
        environment.insert((*name).to_owned(), Template::of_table(value));
    }
    environment.insert(PROPAGATORS.to_owned(), Template::text(propagators(propagation)));
    if let Some(project) = project {
        environment.insert(PROJECT.to_owned(), Template::text(project));
    }
    environment
}

/// What a service's final environment configures: its context formats, and whether it reads baggage.
///
/// Read from the variable and not from the axis, because a suite may set the variable for one service.
pub(crate) fn configured(environment: &Environment) -> (Vec<ContextFormat>, bool) {
    let value = environment.get(PROPAGATORS).and_then(Template::as_text).unwrap_or_default();
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    let formats = [ContextFormat::Tracecontext, ContextFormat::GcpTrace];
    (
        formats.into_iter().filter(|format| words.contains(&format.as_str())).collect(),
        words.contains(&"baggage"),
    )
}
