//! What the environment asks of every service: port, project, exporter, propagators.
//!
//! Each service reads this first, before it opens anything, so that a misspelt value ends the process with a clear message
//! instead of silently tracing nowhere. What only one component needs (the backend client) is read there, through the
//! same [`Environment`]. Variables of the standard that the OpenTelemetry crates read themselves (`OTEL_SERVICE_NAME`,
//! `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_HEADERS`, …) are not read here.

mod exporter;

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::cloud_run::CloudRun;
pub use exporter::{Exporter, OtlpProtocol};

/// Where settings are looked up: the process environment, or a table in tests. An empty value counts as absent, as the
/// OpenTelemetry specification wants it ("Configuration", section "Parsing empty value").
#[derive(Debug, Clone, Default)]
pub struct Environment(HashMap<String, String>);

/// A variable whose value cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{variable}={value:?}: expected {expected}")]
pub struct SettingsError {
    /// The name of the variable.
    pub variable: String,
    /// Its value as found; empty if it is required and absent.
    pub value: String,
    /// What would have been understood.
    pub expected: String,
}

/// A format in which trace context or baggage travels (`OTEL_PROPAGATORS`). The order of the variants is the order in
/// which they are asked: the last valid trace context wins, so `traceparent` beats `x-cloud-trace-context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Propagator {
    /// Google's `x-cloud-trace-context`.
    GcpTrace,
    /// W3C `traceparent` and `tracestate`.
    TraceContext,
    /// W3C `baggage`.
    Baggage,
}

/// The settings that all services share.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `PORT`: where to listen; 0 lets the operating system choose.
    pub port: u16,
    /// `GOOGLE_CLOUD_PROJECT`, or on Cloud Run the project that the service runs in.
    pub project: Option<String>,
    /// What the platform says; `None` anywhere but on Cloud Run.
    pub cloud_run: Option<CloudRun>,
    /// `FLUSH_SPANS`: whether a response ends only when its spans are out. So it is on Cloud Run, if absent.
    pub flushes_responses: bool,
    /// `OTEL_TRACES_EXPORTER` and what belongs to it.
    pub exporter: Exporter,
    /// `OTEL_PROPAGATORS`, sorted and without repetitions.
    pub propagators: Vec<Propagator>,
}

const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let known = std::env::vars_os();
        Self(
            known
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    /// A table, for tests.
    pub fn of<const N: usize>(pairs: [(&str, &str); N]) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// The value of a variable, unless it is absent or blank.
    pub fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The parsed value of a variable, or the default if it is absent.
    ///
    /// # Errors
    /// The value does not parse.
    pub fn parsed<T: FromStr>(&self, variable: &str, default: T, expected: &str) -> Result<T, SettingsError> {
        self.get(variable)
            .map_or(Ok(default), |value| value.parse().map_err(|_| unusable(variable, value, expected)))
    }
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first variable whose value is not understood.
    pub fn read(environment: &Environment) -> Result<Self, SettingsError> {
        if let Some(sampler) = environment.get("OTEL_TRACES_SAMPLER")
            && !SAMPLERS.contains(&sampler)
        {
            // The SDK would warn and sample everything; a service that samples otherwise than asked had better not start.
            return Err(unusable("OTEL_TRACES_SAMPLER", sampler, one_of(&SAMPLERS)));
        }
        let cloud_run = CloudRun::read(environment)?;
        Ok(Self {
            port: environment.parsed("PORT", 8080, "a port number")?,
            project: environment.get("GOOGLE_CLOUD_PROJECT").map(str::to_owned),
            exporter: exporter::read(environment)?,
            propagators: propagators(environment)?,
            flushes_responses: match environment.get("FLUSH_SPANS") {
                None => cloud_run.is_some(),
                Some("response") => true,
                Some("background") => false,
                Some(other) => {
                    return Err(unusable("FLUSH_SPANS", other, one_of(&["response", "background"])));
                }
            },
            cloud_run,
        })
    }

    /// The settings with what only the metadata server knows. Anywhere but on Cloud Run nobody is asked; where the server does
    /// not answer within three seconds, what it would have said stays empty.
    ///
    /// # Errors
    /// The exporter needs a project, and neither the environment nor the platform names one.
    pub async fn completed(mut self) -> Result<Self, SettingsError> {
        if let Some(cloud_run) = &mut self.cloud_run {
            cloud_run.ask().await;
            self.project = self.project.or_else(|| cloud_run.instance.project.clone());
        }
        match (&self.exporter, &self.project) {
            (Exporter::GcpTrace { .. }, None) => Err(exporter::no_project()),
            _ => Ok(self),
        }
    }
}

fn propagators(environment: &Environment) -> Result<Vec<Propagator>, SettingsError> {
    const NAME: &str = "OTEL_PROPAGATORS";
    let listed = environment.get(NAME).unwrap_or("tracecontext,baggage");
    let mut propagators = Vec::new();
    for name in listed.split(',').map(str::trim) {
        match name {
            "gcp_trace" => propagators.push(Propagator::GcpTrace),
            "tracecontext" => propagators.push(Propagator::TraceContext),
            "baggage" => propagators.push(Propagator::Baggage),
            "none" => {}
            _ => return Err(unusable(NAME, listed, "a list of tracecontext, baggage, gcp_trace, or none")),
        }
    }
    propagators.sort();
    propagators.dedup();
    Ok(propagators)
}

/// The error for a value that cannot be used.
pub(crate) fn unusable(variable: &str, value: &str, expected: impl Display) -> SettingsError {
    SettingsError { variable: variable.to_owned(), value: value.to_owned(), expected: expected.to_string() }
}

fn one_of(names: &[&str]) -> String {
    format!("one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", vec![Propagator::TraceContext, Propagator::Baggage])]
    #[case("tracecontext, gcp_trace", vec![Propagator::GcpTrace, Propagator::TraceContext])]
    #[case("gcp_trace,gcp_trace", vec![Propagator::GcpTrace])]
    #[case("none", vec![])]
    fn propagator_lists(#[case] value: &str, #[case] expected: Vec<Propagator>) {
        let settings = Settings::read(&Environment::of([("OTEL_PROPAGATORS", value)])).unwrap();
        assert_eq!(settings.propagators, expected);
    }

    #[rstest]
    #[case::elsewhere("", "", false)]
    #[case::cloud_run("api", "", true)]
    #[case::instance_based_billing("api", "background", false)]
    #[case::asked_for("", "response", true)]
    fn flushes(#[case] service: &str, #[case] flush: &str, #[case] expected: bool) {
        let environment = Environment::of([("K_SERVICE", service), ("FLUSH_SPANS", flush)]);
        assert_eq!(Settings::read(&environment).unwrap().flushes_responses, expected);
    }

    #[rstest]
    #[case("PORT", "http")]
    #[case("PORT", "65536")]
    #[case("OTEL_TRACES_EXPORTER", "zipkin")]
    #[case("OTEL_PROPAGATORS", "b3")]
    #[case("FLUSH_SPANS", "yes")]
    #[case("OTEL_TRACES_SAMPLER", "sometimes")]
    fn refused(#[case] variable: &str, #[case] value: &str) {
        let error = Settings::read(&Environment::of([(variable, value)])).unwrap_err();
        assert_eq!((error.variable.as_str(), error.value.as_str()), (variable, value));
    }
}
