//! Which labels a span must have, by protocol and kind.
//!
//! Sources: "Semantic conventions for HTTP spans", sections "HTTP client span" and "HTTP server span", and "Semantic
//! conventions for gRPC", section "Spans", <https://opentelemetry.io/docs/specs/semconv/>.

use spanwise_model::{GrpcCode, SpanKind, StatusCode};

use crate::Node;
use crate::semconv::{self, Protocol};

/// A label that spans of a protocol and kind must have.
#[derive(Clone, Copy, Debug)]
pub struct Requirement {
    /// The protocol.
    pub protocol: Protocol,
    /// The kind of span.
    pub kind: SpanKind,
    /// Its names, the current one first; any of them will do.
    pub names: &'static [&'static str],
    /// When it is due.
    pub when: When,
}

/// When a label is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On every span.
    Always,
    /// When a response came.
    Answered,
    /// Always; up to version 1.20 of the conventions only for a port other than that of the scheme.
    OddPort,
}

impl Requirement {
    /// The current name.
    pub fn label(&self) -> &'static str {
        self.names[0]
    }
}

/// Where older conventions let a server say its path and scheme, and a client the host it calls: `http.url` holds all.
const PATH_OR_URL: &[&str] = &["url.path", "http.target", "/http/path", "http.url", "/http/url"];
const SCHEME_OR_URL: &[&str] =
    &["url.scheme", "http.scheme", "/http/client_protocol", "http.url", "/http/url"];
const ADDRESS_OR_URL: &[&str] =
    &["server.address", "net.peer.name", "net.host.name", "http.host", "/http/host", "http.url", "/http/url"];
/// The called method, with or without its service.
const RPC_METHOD: &[&str] = &["rpc.method"];

/// Every requirement.
pub static REQUIRED: &[Requirement] = &[
    http(SpanKind::Server, semconv::HTTP_METHOD, When::Always),
    http(SpanKind::Server, PATH_OR_URL, When::Always),
    http(SpanKind::Server, SCHEME_OR_URL, When::Always),
    http(SpanKind::Server, semconv::HTTP_STATUS, When::Answered),
    http(SpanKind::Client, semconv::HTTP_METHOD, When::Always),
    http(SpanKind::Client, ADDRESS_OR_URL, When::Always),
    http(SpanKind::Client, semconv::SERVER_PORT, When::OddPort),
    http(SpanKind::Client, semconv::URL_FULL, When::Always),
    http(SpanKind::Client, semconv::HTTP_STATUS, When::Answered),
    grpc(SpanKind::Server, semconv::RPC_SYSTEM),
    grpc(SpanKind::Server, semconv::GRPC_STATUS),
    grpc(SpanKind::Client, semconv::RPC_SYSTEM),
    grpc(SpanKind::Client, RPC_METHOD),
    grpc(SpanKind::Client, semconv::GRPC_STATUS),
    grpc(SpanKind::Client, semconv::SERVER_ADDRESS),
];

/// The requirements that a span of this protocol does not meet.
pub fn unmet(node: Node<'_>, protocol: Protocol) -> impl Iterator<Item = &'static Requirement> {
    let of_span = move |one: &&Requirement| one.protocol == protocol && one.kind == node.kind;
    REQUIRED.iter().filter(of_span).filter(move |requirement| {
        semconv::named(node.span(), requirement.names).is_none()
            && match requirement.when {
                When::Always => true,
                When::Answered => was_answered(node) != Some(false),
                When::OddPort => !has_default_port(node),
            }
    })
}

/// Whether a response came, by the exchange or because the request failed; `None` where nothing says so.
pub fn was_answered(node: Node<'_>) -> Option<bool> {
    let hop = if node.kind == SpanKind::Server { node.came_by() } else { node.sent().last() };
    match hop {
        Some(hop) if hop.is_canceled() => Some(false),
        Some(hop) if node.kind == SpanKind::Server => Some(hop.is_answered_by_service()),
        Some(hop) => Some(hop.tap().status.is_some()),
        None => failed(node).then_some(false),
    }
}

/// Whether a span says that its request came to no end, itself or by calls that it gave up.
fn failed(node: Node<'_>) -> bool {
    let gave_up = |child: Node<'_>| {
        child.kind == SpanKind::Client && semconv::grpc_status(child.span()) == Some(GrpcCode::Cancelled)
    };
    node.status.code == StatusCode::Error
        || node.attribute("error.type").is_some()
        || node.events.iter().any(|event| event.name == "exception")
        || node.children().any(gave_up)
}

/// Whether a span of the old conventions says by its URL that the port is that of the scheme.
fn has_default_port(node: Node<'_>) -> bool {
    let url = node.text("http.url").or_else(|| node.text("/http/url")).unwrap_or_default();
    let authority =
        url.split_once("://").map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or_default());
    authority.is_some_and(|authority| {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        !host.rsplit_once(']').map_or(host, |(_, port)| port).contains(':')
    })
}

const fn http(kind: SpanKind, names: &'static [&'static str], when: When) -> Requirement {
    Requirement { protocol: Protocol::Http, kind, names, when }
}

const fn grpc(kind: SpanKind, names: &'static [&'static str]) -> Requirement {
    Requirement { protocol: Protocol::Grpc, kind, names, when: When::Always }
}
