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
    /// When the URL names a port, or there is none that could; the `http.url` of older conventions is enough by itself.
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
/// Older clients of gRPC said whom they called by the name or the address of the peer, or of the socket.
const ADDRESS_OR_PEER: &[&str] = &[
    "server.address",
    "net.peer.name",
    "net.peer.ip",
    "net.sock.peer.name",
    "net.sock.peer.addr",
    "net.host.name",
    "http.host",
    "/http/host",
];
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
    grpc(SpanKind::Client, ADDRESS_OR_PEER),
];

/// The requirements that a span of this protocol does not meet.
pub fn unmet(node: Node<'_>, protocol: Protocol) -> impl Iterator<Item = &'static Requirement> {
    let of_span = move |one: &&Requirement| one.protocol == protocol && one.kind == node.kind;
    let is_met = move |one: &Requirement| semconv::named(node.span(), one.names).is_some();
    REQUIRED.iter().filter(of_span).filter(move |one| !is_met(one) && is_due(node, one))
}

/// Whether a span must have what is required of its protocol and kind. WebSockets have no conventions of their own, and
/// neither method nor status as requests have.
pub fn is_due(node: Node<'_>, requirement: &Requirement) -> bool {
    let is_due = match requirement.when {
        When::Always => true,
        When::Answered => was_answered(node) != Some(false),
        When::OddPort => !says_port_by_url(node),
    };
    is_due && !(requirement.protocol == Protocol::Http && is_websocket(node))
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

/// Whether the scheme says that it is a WebSocket.
fn is_websocket(node: Node<'_>) -> bool {
    let scheme = semconv::text(node.span(), semconv::URL_SCHEME);
    let url = semconv::text(node.span(), semconv::URL_FULL).and_then(|url| Some(url.split_once("://")?.0));
    [scheme, url].into_iter().flatten().any(|scheme| matches!(scheme, "ws" | "wss"))
}

/// Whether the URL says the port: that of the scheme by naming none, any other in older conventions.
fn says_port_by_url(node: Node<'_>) -> bool {
    if node.attribute("http.url").or_else(|| node.attribute("/http/url")).is_some() {
        return true;
    }
    let url = node.text("url.full").unwrap_or_default();
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
