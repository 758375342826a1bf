//! What a run expected of a permutation, handed to the rules as data.

use serde::{Deserialize, Serialize};

use crate::name::characters;
use crate::{ContextFormat, ExpectedSpan, FrontEnd};

/// Expectations and settings of one permutation, as the suite and the axes give them. For captures, the default:
/// nothing is known.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Axis values in the order of the suite: `("entry", "http")`, …
    pub axes: Vec<(String, String)>,
    /// The Google Cloud project that the services were told.
    pub project: Option<String>,
    /// The sampling the suite declares.
    pub sampling: Option<Sampling>,
    /// The platform that was emulated.
    pub platform: Platform,
    /// The front end of that platform; the default on [`Platform::Plain`], which has none.
    pub front_end: FrontEnd,
    /// Labels that the suite says every request span must have.
    pub required_labels: Vec<String>,
    /// Labels whose values differ by nature, such as the id of a new order; `*` stands for any characters. That they are there
    /// counts, and not what they say.
    #[serde(default)]
    pub varying_labels: Vec<String>,
    /// Which limits labels are held against.
    pub limits: LimitProfile,
    /// Hosts that the suite declares to be somebody else's.
    pub external_hosts: Vec<String>,
    /// Spans that the suite expects of each request: every tree must be found somewhere in its spans.
    pub expected: Vec<ExpectedSpan>,
    /// The services of the suite.
    pub services: Vec<ServiceFacts>,
    /// When the run began and ended, in nanoseconds since the Unix epoch; 0 when unknown.
    pub begun: u64,
    /// See `begun`.
    pub ended: u64,
    /// Whether a deadline passed while something expected had not come.
    pub deadline_passed: bool,
    /// What had not come by then, in words; no part of the notation.
    pub awaited: Vec<String>,
}

/// Sampling as a suite declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sampling {
    /// The caller's decision is kept.
    ParentBased,
}

/// The platform that a permutation emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// Nothing but processes and proxies.
    #[default]
    Plain,
    /// Google Cloud Run.
    CloudRun,
}

impl Platform {
    /// Every platform.
    pub const ALL: [Platform; 2] = [Platform::Plain, Platform::CloudRun];

    /// The word in suites, in names and in the notation.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Plain => "plain",
            Platform::CloudRun => "cloud-run",
        }
    }
}

/// Limits that Google's trace endpoints have for names and labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitProfile {
    /// Those of the Telemetry API, which Cloud Trace has today.
    #[default]
    TelemetryApi,
    /// Those that the protocol buffers of Cloud Trace v2 name, which older exporters cut by.
    V2Proto,
}

impl LimitProfile {
    /// The name in suites and in the notation.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitProfile::TelemetryApi => "telemetry-api",
            LimitProfile::V2Proto => "v2-proto",
        }
    }
}

/// What is declared of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceFacts {
    /// Its name in the suite.
    pub name: String,
    /// What it serves.
    pub protocol: ServiceProtocol,
    /// The context formats it is configured to read and write.
    pub propagation: Vec<ContextFormat>,
    /// Whether baggage is among its propagators.
    pub baggage: bool,
    /// Whether it declares that SIGTERM makes it flush its spans.
    pub flushes_on_sigterm: bool,
    /// Paths or gRPC services whose requests make no spans by declaration, such as `/healthz`.
    pub untraced: Vec<String>,
    /// Whether the service declares that it sets `http.route`.
    pub declares_route: bool,
    /// Whether it is private: a call needs an ID token.
    pub auth_required: bool,
    /// The audiences that an ID token for it may name: its URLs, and custom ones. Empty where they are not known. A plan has
    /// the custom ones alone: the URLs are the run loop's to add, which makes them.
    pub audiences: Vec<String>,
    /// Whether it stands for somebody else's: it makes no spans of the suite's traces, and must get no context.
    pub external: bool,
}

impl ServiceFacts {
    /// Whether it declares that a request for this path makes no spans: the path, or one of its beginnings that ends at a `/`, is
    /// among [`ServiceFacts::untraced`]. Services of others make none at all.
    pub fn makes_no_spans_of(&self, path: &str) -> bool {
        let path = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
        let covers = |declared: &String| {
            let rest = path.strip_prefix(declared.trim_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.external || self.untraced.iter().any(covers)
    }
}

/// What a service serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceProtocol {
    /// HTTP/1.1 or HTTP/2.
    Http,
    /// gRPC.
    Grpc,
}

impl Settings {
    /// What is declared of a service, by its name.
    pub fn service(&self, name: &str) -> Option<&ServiceFacts> {
        self.services.iter().find(|service| service.name == name)
    }

    /// Whether the value of a label differs by nature.
    pub fn varies(&self, label: &str) -> bool {
        self.varying_labels.iter().any(|pattern| characters(pattern, label))
    }

    /// The value of an axis.
    pub fn axis(&self, name: &str) -> Option<&str> {
        self.axes.iter().find(|(axis, _)| axis == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_spans_is_a_path_and_what_is_below_it() {
        let check = |declared: &str, path: &str, expected: bool| {
            let facts = ServiceFacts {
                name: "web".to_owned(),
                protocol: ServiceProtocol::Http,
                propagation: Vec::new(),
                baggage: false,
                flushes_on_sigterm: false,
                untraced: vec![declared.to_owned()],
                declares_route: false,
                auth_required: false,
                audiences: Vec::new(),
                external: false,
            };
            assert_eq!(facts.makes_no_spans_of(path), expected, "{declared} {path}");
            assert!(ServiceFacts { external: true, ..facts }.makes_no_spans_of(path));
        };
        check("/health", "/health", true);
        check("/health", "/health?deep=1", true);
        check("/health", "/health/live", true);
        check("/health/", "/health", true);
        check("health", "/healthcheck", false);
        check("/health", "/v1/health", false);
        check("grpc.health.v1.Health", "/grpc.health.v1.Health/Check", true);
        check("grpc.health.v1.Health", "/grpc.health.v1.HealthCheck/Check", false);
    }
}
