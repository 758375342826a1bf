//! Reading attributes by what they mean, under every name that a generation of the semantic conventions gave them.
//!
//! Rules ask these instead of a key, so that an old name is a finding of `deprecated-label` alone. Cloud Trace's own
//! `/http/*` labels are read too. Nothing here judges a value.

use serde::Deserialize;
use spanwise_model::{GrpcCode, Span, SpanKind, Value};

/// The protocol of a SERVER or CLIENT span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP that is not gRPC.
    Http,
    /// gRPC.
    Grpc,
}

/// Names of one concept, the current one first, then older ones, then Cloud Trace's label.
type Names = &'static [&'static str];

/// The request method.
pub const HTTP_METHOD: Names = &["http.request.method", "http.method", "/http/method"];
/// The status code of the response.
pub const HTTP_STATUS: Names = &["http.response.status_code", "http.status_code", "/http/status_code"];
/// The matched route.
pub const HTTP_ROUTE: Names = &["http.route", "/http/route"];
/// The path of the request.
pub const URL_PATH: Names = &["url.path", "http.target", "/http/path"];
/// The scheme of the request.
pub const URL_SCHEME: Names = &["url.scheme", "http.scheme", "/http/client_protocol"];
/// The whole URL of a client's request.
pub const URL_FULL: Names = &["url.full", "http.url", "/http/url"];
/// The called host.
pub const SERVER_ADDRESS: Names =
    &["server.address", "net.peer.name", "net.host.name", "http.host", "/http/host"];
/// The called port.
pub const SERVER_PORT: Names = &["server.port", "net.peer.port", "net.host.port"];
/// The RPC system.
pub const RPC_SYSTEM: Names = &["rpc.system.name", "rpc.system"];
/// The gRPC status, as a name or a number.
pub const GRPC_STATUS: Names = &["rpc.response.status_code", "rpc.status_code", "rpc.grpc.status_code"];
/// The authenticated user, which the driver's marker is compared with.
pub const USER: Names = &["user.id", "enduser.id"];

const CONCEPTS: [Names; 11] = [
    HTTP_METHOD,
    HTTP_STATUS,
    HTTP_ROUTE,
    URL_PATH,
    URL_SCHEME,
    URL_FULL,
    SERVER_ADDRESS,
    SERVER_PORT,
    RPC_SYSTEM,
    GRPC_STATUS,
    USER,
];

/// The current name of what a label means; its own where it is none of the concepts above.
pub fn concept(label: &str) -> &str {
    CONCEPTS.iter().find(|names| names.contains(&label)).map_or(label, |names| names[0])
}

/// The value of a concept under the first of its names that the span has, with that name.
pub fn named<'s>(span: &'s Span, names: &[&'static str]) -> Option<(&'static str, &'s Value)> {
    names.iter().find_map(|name| span.attribute(name).map(|value| (*name, value)))
}

/// The value of a concept where it is text.
pub fn text(span: &Span, names: Names) -> Option<&str> {
    named(span, names).and_then(|(_, value)| value.as_str())
}

/// The HTTP status code, as a number or as digits.
pub fn http_status(span: &Span) -> Option<u16> {
    let (_, value) = named(span, HTTP_STATUS)?;
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        Value::Str(text) => text.parse().ok(),
        _ => None,
    }
}

/// The gRPC status code: a name (`rpc.response.status_code`, `rpc.status_code`) or a number (`rpc.grpc.status_code`).
pub fn grpc_status(span: &Span) -> Option<GrpcCode> {
    let (_, value) = named(span, GRPC_STATUS)?;
    match value {
        Value::Int(number) => GrpcCode::from_number(*number),
        Value::Str(text) => text.parse().ok().or_else(|| GrpcCode::from_number(text.parse().ok()?)),
        _ => None,
    }
}

/// The HTTP request method.
pub fn http_method(span: &Span) -> Option<&str> {
    text(span, HTTP_METHOD)
}

/// The matched route.
pub fn http_route(span: &Span) -> Option<&str> {
    text(span, HTTP_ROUTE)
}

/// The path of the request, without its query.
pub fn url_path(span: &Span) -> Option<&str> {
    text(span, URL_PATH).and_then(|target| target.split('?').next())
}

/// The path of the URL that a client called, without its query.
pub fn called_path(span: &Span) -> Option<&str> {
    let (_, rest) = text(span, URL_FULL)?.split_once("://")?;
    rest.find('/').map(|at| rest[at..].split(['?', '#']).next().unwrap_or_default())
}

/// The called method as `package.Service/Method`: one label in the current conventions, two in older ones; `None` where
/// only a part of it is known.
pub fn rpc_method(span: &Span) -> Option<String> {
    let method = span.text("rpc.method")?;
    match span.text("rpc.service") {
        Some(service) if !method.contains('/') => Some(format!("{service}/{method}")),
        _ => method.trim_start_matches('/').contains('/').then(|| method.trim_start_matches('/').to_owned()),
    }
}

/// Whether a key belongs to clients of databases, queues and models: they speak HTTP or gRPC too, but have conventions of
/// their own.
pub fn is_other_namespace(namespace: &str) -> bool {
    matches!(namespace, "db" | "messaging" | "gen_ai" | "graphql")
}

/// Whether a span follows other conventions than those of HTTP and gRPC, whatever carried its call. A server says with such
/// a label what a request was about.
pub fn is_of_other_conventions(span: &Span) -> bool {
    let mut namespaces = span.attributes.iter().filter_map(|(key, _)| key.split('.').next());
    let is_other_rpc = text(span, RPC_SYSTEM).is_some_and(|system| system != "grpc");
    is_other_rpc || (span.kind != SpanKind::Server && namespaces.any(is_other_namespace))
}

/// The protocol of a span, as far as its labels say; gRPC beats HTTP, over which it runs.
pub fn protocol(span: &Span) -> Option<Protocol> {
    if is_of_other_conventions(span) { None } else { protocol_by_labels(span) }
}

/// The same of a span that is known not to follow other conventions.
pub(crate) fn protocol_by_labels(span: &Span) -> Option<Protocol> {
    if text(span, RPC_SYSTEM).is_some() || named(span, GRPC_STATUS).is_some() {
        Some(Protocol::Grpc)
    } else {
        let is_http = named(span, HTTP_METHOD).is_some() || named(span, HTTP_STATUS).is_some();
        is_http.then_some(Protocol::Http)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(labels: &[(&str, Value)]) -> Span {
        let attributes = labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Span { attributes, ..Span::default() }
    }

    #[test]
    fn grpc_status_is_read_in_every_generation() {
        for (key, value, expected) in [
            ("rpc.grpc.status_code", Value::Int(14), Some(GrpcCode::Unavailable)),
            ("rpc.response.status_code", "UNAVAILABLE".into(), Some(GrpcCode::Unavailable)),
            ("rpc.status_code", "OK".into(), Some(GrpcCode::Ok)),
            ("rpc.grpc.status_code", "14".into(), Some(GrpcCode::Unavailable)),
            ("rpc.grpc.status_code", Value::Int(17), None),
            ("rpc.response.status_code", "-1".into(), None),
        ] {
            assert_eq!(grpc_status(&span(&[(key, value.clone())])), expected, "{key}={value}");
        }
    }

    #[test]
    fn http_status_is_read_in_every_generation() {
        for (key, value, expected) in [
            ("http.response.status_code", Value::Int(503), Some(503)),
            ("http.status_code", Value::Int(503), Some(503)),
            ("/http/status_code", "503".into(), Some(503)),
            ("http.status_code", Value::Int(-1), None),
        ] {
            assert_eq!(http_status(&span(&[(key, value)])), expected, "{key}");
        }
    }

    #[test]
    fn the_method_is_one_label_or_two() {
        let one = span(&[("rpc.method", "a.B/C".into())]);
        let two = span(&[("rpc.service", "a.B".into()), ("rpc.method", "C".into())]);
        let half = span(&[("rpc.method", "C".into())]);
        assert_eq!(rpc_method(&one).as_deref(), Some("a.B/C"));
        assert_eq!(rpc_method(&two).as_deref(), Some("a.B/C"));
        assert_eq!(rpc_method(&half), None);
    }

    #[test]
    fn a_span_with_both_protocols_is_grpc() {
        let both = span(&[("rpc.system", "grpc".into()), ("http.request.method", "POST".into())]);
        assert_eq!(protocol(&both), Some(Protocol::Grpc));
        assert_eq!(protocol(&span(&[("http.method", "GET".into())])), Some(Protocol::Http));
        assert_eq!(protocol(&span(&[])), None);
    }

    #[test]
    fn clients_of_databases_and_other_rpc_systems_have_conventions_of_their_own() {
        let status = ("http.response.status_code", Value::Int(404));
        let search = span(&[status.clone(), ("db.system.name", "elasticsearch".into())]);
        let server = Span { kind: SpanKind::Server, ..search.clone() };
        let object = span(&[status, ("rpc.system", "aws-api".into())]);
        assert_eq!(protocol(&search), None);
        assert_eq!(protocol(&server), Some(Protocol::Http));
        assert_eq!(protocol(&object), None);
    }
}
