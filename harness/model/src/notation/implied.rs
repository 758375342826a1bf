//! The labels that follow from a span line: the one table of them. Parser and printer use it.
//!
//! A label with its implied value is not written; `!key` says that it is not there. Names are those of the OpenTelemetry
//! semantic conventions, schema 1.42.

use crate::{GrpcCode, Span, SpanId, SpanKind, Value};

/// The code that stands on a span line behind the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// `http.response.status_code`
    Http(u16),
    /// `rpc.response.status_code`
    Grpc(GrpcCode),
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Code::Http(status) => write!(f, "{status}"),
            Code::Grpc(code) => write!(f, "{code}"),
        }
    }
}

/// What a span's name says of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// `POST` or `POST /greet`
    Http { method: &'a str, route: Option<&'a str> },
    /// `package.Service/Method`
    Grpc(&'a str),
    /// Neither.
    Other,
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Reads a span's name by the conventions of HTTP and gRPC.
pub(super) fn named(name: &str) -> Named<'_> {
    let (method, route) = match name.split_once(' ') {
        Some((method, route)) => (method, Some(route)),
        None => (name, None),
    };
    if METHODS.contains(&method) && route.is_none_or(|route| route.starts_with('/')) {
        return Named::Http { method, route };
    }
    match name.split_once('/') {
        Some((service, method))
            if !service.is_empty() && !method.is_empty() && !method.contains('/') && !name.contains(' ') =>
        {
            Named::Grpc(name)
        }
        _ => Named::Other,
    }
}

/// The code of a span: its status label of the current conventions, where there is exactly one and it is regular.
pub fn code_of(span: &Span) -> Option<Code> {
    let only = |key: &str| {
        let mut values = span.attributes.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    };
    let http = || match only("http.response.status_code")? {
        Value::Int(status @ 100..=999) => Some(Code::Http(*status as u16)),
        _ => None,
    };
    let grpc = || only("rpc.response.status_code")?.as_str()?.parse().ok().map(Code::Grpc);
    http().or_else(grpc)
}

/// The labels that follow from kind, name and code; `judged` where it is a service's span.
pub(super) fn implied_labels(
    judged: bool,
    kind: SpanKind,
    name: &str,
    code: Option<Code>,
) -> Vec<(String, Value)> {
    let scrubbed = |what: &str| Value::Scrubbed(what.to_owned());
    let mut labels: Vec<(&str, Value)> = Vec::new();
    match (kind, named(name)) {
        // Spans that are never judged carry the code and nothing else.
        _ if !judged => {}
        (SpanKind::Server, Named::Http { method, route }) => {
            labels.push(("http.request.method", method.into()));
            if let Some(route) = route {
                labels.push(("http.route", route.into()));
                if !route.contains(['{', ':', '<', '*']) {
                    labels.push(("url.path", route.into()));
                }
            }
            labels.push(("url.scheme", "http".into()));
        }
        (SpanKind::Client, Named::Http { method, .. }) => {
            labels.push(("http.request.method", method.into()));
            labels.push(("server.address", scrubbed("host")));
            labels.push(("server.port", scrubbed("port")));
            labels.push(("url.full", scrubbed("url")));
        }
        (SpanKind::Server | SpanKind::Client, Named::Grpc(method)) => {
            labels.push(("rpc.system.name", "grpc".into()));
            labels.push(("rpc.method", method.into()));
            if kind == SpanKind::Client {
                labels.push(("server.address", scrubbed("host")));
                labels.push(("server.port", scrubbed("port")));
            }
        }
        _ => {}
    }
    match code {
        Some(Code::Http(status)) => labels.push(("http.response.status_code", Value::Int(status.into()))),
        Some(Code::Grpc(code)) => labels.push(("rpc.response.status_code", code.as_str().into())),
        None => {}
    }
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The resource of a service, as far as what stands for it on a line implies it: by default what a process says of itself is
/// its name. The driver and the front end say nothing, and of `?` nothing is known.
pub(super) fn implied_resource(shown: &str) -> Vec<(String, Value)> {
    match shown.split('#').next() {
        None | Some("?" | crate::Source::DRIVER | crate::Source::FRONT_END) => Vec::new(),
        Some(name) => vec![("service.name".to_owned(), name.into())],
    }
}

/// Whether a parent lives in another process, as far as the tree shows it; `same_service` where the parent is in it.
pub fn implied_remote(kind: SpanKind, parent: Option<SpanId>, same_service: Option<bool>) -> Option<bool> {
    parent.filter(|id| id.is_valid())?;
    Some(match same_service {
        Some(same) => !same,
        None => matches!(kind, SpanKind::Server | SpanKind::Consumer),
    })
}
