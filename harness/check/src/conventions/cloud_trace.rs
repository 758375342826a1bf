//! What Cloud Trace asks beside the semantic conventions: limits, the agent label, and the labels of Google's exporters.
//!
//! Sources: the page "Quotas and limits" of the Telemetry API, <https://cloud.google.com/stackdriver/docs/reference/telemetry/overview>;
//! `google/devtools/cloudtrace/v2/trace.proto`; and the tables of the exporters for Go, Python, Node and Java.

use spanwise_model::LimitProfile;

/// Up to how many bytes, or how many of them, are kept of a span. What an endpoint does not limit is `usize::MAX`.
pub(crate) struct Limits {
    /// Bytes of the name.
    pub(crate) name: usize,
    /// Bytes of a label's key.
    pub(crate) key: usize,
    /// Bytes of a label's value.
    pub(crate) value: usize,
    /// Labels of the span.
    pub(crate) labels: usize,
    /// Attributes of the resource.
    pub(crate) resource: usize,
    /// Events.
    pub(crate) events: usize,
    /// Bytes of an event's name.
    pub(crate) event_name: usize,
    /// Labels of an event.
    pub(crate) event_labels: usize,
    /// Links.
    pub(crate) links: usize,
    /// Labels of a link.
    pub(crate) link_labels: usize,
}

const TELEMETRY_API: Limits = Limits {
    name: 1024,
    key: 512,
    value: 64 * 1024,
    labels: 1024,
    resource: 1024,
    events: 256,
    event_name: 1024,
    event_labels: 1024,
    links: 128,
    link_labels: 1024,
};

/// Message events, of which there may be 128 beside 32 annotations, are counted with them.
const V2_PROTO: Limits = Limits {
    name: 128,
    key: 128,
    value: 256,
    labels: 32,
    resource: usize::MAX,
    events: 32 + 128,
    event_name: 256,
    event_labels: 4,
    links: 128,
    link_labels: 32,
};

/// The limits of a profile.
pub(crate) fn limits(profile: LimitProfile) -> &'static Limits {
    match profile {
        LimitProfile::TelemetryApi => &TELEMETRY_API,
        LimitProfile::V2Proto => &V2_PROTO,
    }
}

/// The label by which an exporter says who it is.
pub(crate) const AGENT: &str = "g.co/agent";

/// The form of that label, as rules show it.
pub(crate) const AGENT_FORM: &str = "opentelemetry-LANGUAGE VERSION; google-cloud-trace-exporter VERSION";

/// Who exported a span, by its label `g.co/agent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agent<'a> {
    /// An exporter that says in the form of Google's for which language it is.
    Exporter(&'a str),
    /// It means to say so, but not in that form.
    Malformed,
    /// Something else, which promises nothing.
    Other,
}

/// Reads a label `g.co/agent`.
pub(crate) fn agent(text: &str) -> Agent<'_> {
    const EXPORTER: &str = "google-cloud-trace-exporter";
    if !text.starts_with("opentelemetry-") && !text.contains(EXPORTER) {
        return Agent::Other;
    }
    let read = || {
        let (sdk, exporter) = text.split_once("; ")?;
        let (language, version) = sdk.strip_prefix("opentelemetry-")?.split_once(' ')?;
        let exporter = exporter.strip_prefix(EXPORTER)?.strip_prefix(' ')?;
        let is_language = !language.is_empty() && language.bytes().all(|byte| byte.is_ascii_alphabetic());
        (is_language && is_version(version) && is_version(exporter)).then_some(Agent::Exporter(language))
    };
    read().unwrap_or(Agent::Malformed)
}

/// Two numbers or more with dots between them.
fn is_version(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.contains('.') && text.split('.').all(is_number)
}

/// Attribute, label, and the languages whose exporter makes the one of the other.
const MAPPING: &[(&str, &str, &[&str])] = &[
    ("exception.message", "/error/message", &["java"]),
    ("exception.type", "/error/name", &["java"]),
    ("http.host", "/http/host", &["go", "java", "js", "python"]),
    ("http.method", "/http/method", &["go", "java", "js", "python"]),
    ("http.path", "/http/path", &["go"]),
    ("http.request_content_length", "/http/request/size", &["java", "js", "python"]),
    ("http.response_content_length", "/http/response/size", &["java", "js", "python"]),
    ("http.route", "/http/route", &["java", "js", "python"]),
    ("http.scheme", "/http/client_protocol", &["java", "js", "python"]),
    ("http.status_code", "/http/status_code", &["go", "java", "js", "python"]),
    ("http.target", "/http/path", &["java"]),
    ("http.url", "/http/url", &["java", "js", "python"]),
    ("http.user_agent", "/http/user_agent", &["go", "java", "js", "python"]),
    ("thread.id", "/tid", &["java"]),
];

/// The label that the exporter for a language makes of an attribute; `None` where it leaves the name.
pub(crate) fn promised(language: &str, attribute: &str) -> Option<&'static str> {
    let entry =
        MAPPING.iter().find(|(name, _, languages)| *name == attribute && languages.contains(&language));
    entry.map(|(_, label, _)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents() {
        for (text, expected) in [
            ("opentelemetry-go 1.35.0; google-cloud-trace-exporter 1.35.0", Agent::Exporter("go")),
            ("opentelemetry-python 1.12.0.0; google-cloud-trace-exporter 1.12.0", Agent::Exporter("python")),
            ("opentelemetry-rust 0.33.1; google-cloud-trace-exporter 0.1.0", Agent::Exporter("rust")),
            ("opentelemetry-go 1.35.0", Agent::Malformed),
            ("opentelemetry-go; google-cloud-trace-exporter 1.35.0", Agent::Malformed),
            ("opentelemetry-go 1.35.0, google-cloud-trace-exporter 1.35.0", Agent::Malformed),
            ("opentelemetry-go 1.35.0; google-cloud-trace-exporter v1.35.0", Agent::Malformed),
            ("opentelemetry- 1.35.0; google-cloud-trace-exporter 1.35.0", Agent::Malformed),
            ("opencensus-java [0.31.0]", Agent::Other),
            ("", Agent::Other),
        ] {
            assert_eq!(agent(text), expected, "{text}");
        }
    }

    #[test]
    fn labels_by_language() {
        for (language, attribute, expected) in [
            ("go", "http.method", Some("/http/method")),
            ("go", "http.url", None),
            ("python", "http.url", Some("/http/url")),
            ("java", "http.target", Some("/http/path")),
            ("js", "http.request.method", None),
            ("rust", "http.method", None),
        ] {
            assert_eq!(promised(language, attribute), expected, "{language} {attribute}");
        }
    }
}
