//! Which exporter the environment asks for, where it sends, and how long it may take.
//!
//! `settings` reads it with the rest. Endpoints are checked here for every exporter, also for those that read them again
//! themselves, so that a URL that cannot be used is reported under the name of its variable.

use std::time::Duration;

use super::{Environment, SettingsError, one_of, unusable};
use crate::channel::Target;

/// Which exporter takes the spans away (`OTEL_TRACES_EXPORTER`).
#[derive(Debug, Clone, PartialEq)]
pub enum Exporter {
    /// Spans are made and propagated, and dropped.
    None,
    /// Cloud Trace v2 over gRPC.
    GcpTrace {
        /// Where the API is.
        endpoint: Target,
    },
    /// OTLP.
    Otlp {
        /// In which of its forms.
        protocol: OtlpProtocol,
        /// How long an export may take; 10 seconds if absent.
        timeout: Duration,
    },
}

/// The forms of OTLP (`OTEL_EXPORTER_OTLP_PROTOCOL`).
#[derive(Debug, Clone, PartialEq)]
pub enum OtlpProtocol {
    /// gRPC.
    Grpc {
        /// Where the collector is.
        endpoint: Target,
    },
    /// HTTP with protobuf bodies; the exporter reads the endpoint from the environment.
    HttpProtobuf,
    /// HTTP with JSON bodies; the exporter reads the endpoint from the environment.
    HttpJson,
}

/// On Cloud Run the metadata server knows the project, too.
const PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
const TARGET: &str = "an http or https url";

pub(super) fn read(environment: &Environment) -> Result<Exporter, SettingsError> {
    match environment.get("OTEL_TRACES_EXPORTER").unwrap_or("otlp") {
        "none" => Ok(Exporter::None),
        "gcp_trace" => gcp_trace(environment),
        "otlp" => otlp(environment),
        other => Err(unusable("OTEL_TRACES_EXPORTER", other, one_of(&["otlp", "gcp_trace", "none"]))),
    }
}

/// The error for an exporter that does not know whose traces it writes.
pub(super) fn no_project() -> SettingsError {
    unusable(PROJECT, "", "a project id, which the exporter gcp_trace needs")
}

fn gcp_trace(environment: &Environment) -> Result<Exporter, SettingsError> {
    const ENDPOINT: &str = "GOOGLE_CLOUD_TRACE_ENDPOINT";
    const REAL: &str = "https://cloudtrace.googleapis.com";
    if environment.get(PROJECT).is_none() && environment.get("K_SERVICE").is_none() {
        return Err(no_project());
    }
    let endpoint = environment.get(ENDPOINT).unwrap_or(REAL);
    let endpoint = endpoint.parse().map_err(|_| unusable(ENDPOINT, endpoint, TARGET))?;
    Ok(Exporter::GcpTrace { endpoint })
}

fn otlp(environment: &Environment) -> Result<Exporter, SettingsError> {
    let protocol = match of_traces(environment, "PROTOCOL") {
        Some((_, "grpc")) => {
            let (variable, url) = of_traces(environment, "ENDPOINT")
                .unwrap_or_else(|| ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), "http://localhost:4317"));
            OtlpProtocol::Grpc { endpoint: url.parse().map_err(|_| unusable(&variable, url, TARGET))? }
        }
        // The specification's default ("OpenTelemetry Protocol Exporter", section "Specify Protocol").
        None | Some((_, "http/protobuf")) => OtlpProtocol::HttpProtobuf,
        Some((_, "http/json")) => OtlpProtocol::HttpJson,
        Some((variable, other)) => {
            return Err(unusable(&variable, other, one_of(&["grpc", "http/protobuf", "http/json"])));
        }
    };
    if let (OtlpProtocol::HttpProtobuf | OtlpProtocol::HttpJson, Some((variable, url))) =
        (&protocol, of_traces(environment, "ENDPOINT"))
        // The exporter takes the URL as it is, so here its scheme may not be left out.
        && (!url.contains("://") || url.parse::<Target>().is_err())
    {
        return Err(unusable(&variable, url, TARGET));
    }
    let timeout = of_traces(environment, "TIMEOUT").map_or(Ok(10_000), |(variable, value)| {
        value.parse().map_err(|_| unusable(&variable, value, "milliseconds"))
    })?;
    Ok(Exporter::Otlp { protocol, timeout: Duration::from_millis(timeout) })
}

/// Name and value of the OTLP variable with this ending: that for traces alone, else that for all signals.
fn of_traces<'a>(environment: &'a Environment, ending: &str) -> Option<(String, &'a str)> {
    ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|beginning| {
        let variable = format!("{beginning}{ending}");
        environment.get(&variable).map(|value| (variable, value))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn otlp(protocol: OtlpProtocol, timeout: u64) -> Exporter {
        Exporter::Otlp { protocol, timeout: Duration::from_millis(timeout) }
    }

    fn grpc(endpoint: &str) -> OtlpProtocol {
        OtlpProtocol::Grpc { endpoint: endpoint.parse().unwrap() }
    }

    fn gcp(endpoint: &str) -> Exporter {
        Exporter::GcpTrace { endpoint: endpoint.parse().unwrap() }
    }

    #[rstest]
    #[case::default([("", ""), ("", ""), ("", "")], otlp(OtlpProtocol::HttpProtobuf, 10_000))]
    #[case::none([("OTEL_TRACES_EXPORTER", "none"), ("", ""), ("", "")], Exporter::None)]
    #[case::json(
        [("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"), ("", "")],
        otlp(OtlpProtocol::HttpJson, 300)
    )]
    #[case::grpc_default(
        [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("", ""), ("", "")],
        otlp(grpc("http://localhost:4317"), 10_000)
    )]
    #[case::specific_timeout(
        [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "200"),
        ],
        otlp(grpc("http://localhost:4317"), 200)
    )]
    #[case::specific_endpoint(
        [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://specific"),
        ],
        otlp(grpc("http://specific"), 10_000)
    )]
    #[case::real_cloud_trace(
        [("OTEL_TRACES_EXPORTER", "gcp_trace"), ("GOOGLE_CLOUD_PROJECT", "p"), ("", "")],
        gcp("https://cloudtrace.googleapis.com")
    )]
    #[case::other_cloud_trace(
        [
            ("OTEL_TRACES_EXPORTER", "gcp_trace"),
            ("GOOGLE_CLOUD_PROJECT", "p"),
            ("GOOGLE_CLOUD_TRACE_ENDPOINT", "http://localhost:1"),
        ],
        gcp("http://localhost:1")
    )]
    fn exporters(#[case] variables: [(&str, &str); 3], #[case] expected: Exporter) {
        assert_eq!(read(&Environment::of(variables)), Ok(expected));
    }

    /// The last variable is the one that is refused.
    #[rstest]
    #[case([("", ""), ("OTEL_TRACES_EXPORTER", "zipkin")])]
    #[case([("OTEL_TRACES_EXPORTER", "gcp_trace"), ("GOOGLE_CLOUD_PROJECT", "")])]
    #[case([("", ""), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http")])]
    #[case([("", ""), ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s")])]
    #[case([("", ""), ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1")])]
    #[case([("", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url")])]
    #[case([("", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")])]
    #[case([("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "unix:///x")])]
    fn refused(#[case] variables: [(&str, &str); 2]) {
        let error = read(&Environment::of(variables)).unwrap_err();
        assert_eq!((error.variable.as_str(), error.value.as_str()), variables[1]);
    }

    #[test]
    fn a_cloud_trace_endpoint_that_is_no_url_is_named() {
        let error = read(&Environment::of([
            ("OTEL_TRACES_EXPORTER", "gcp_trace"),
            ("GOOGLE_CLOUD_PROJECT", "p"),
            ("GOOGLE_CLOUD_TRACE_ENDPOINT", "cloudtrace googleapis"),
        ]));
        assert_eq!(
            error.unwrap_err(),
            unusable("GOOGLE_CLOUD_TRACE_ENDPOINT", "cloudtrace googleapis", TARGET)
        );
    }
}
