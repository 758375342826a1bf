//! Which labels a span must have, by protocol and kind.
//!
//! Sources: "Semantic conventions for HTTP spans", sections "HTTP client span" and "HTTP server span", and "Semantic
//! conventions for gRPC", section "Spans", <https://opentelemetry.io/docs/specs/semconv/>.

use serde::Deserialize;
use spanwise_model::{GrpcCode, SpanKind, StatusCode};

use crate::Node;
use crate::semconv::{self, Protocol};

/// A label that spans of a protocol and kind must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The protocol.
    pub protocol: Protocol,
    /// The kind of span.
    pub kind: SpanKind,
    /// Its names, the current one first; any of them will do. Where older conventions let `http.url` say it too, that is
    /// one of them.
    #[serde(borrow)]
    pub names: Vec<&'static str>,
    /// When it is due.
    pub when: When,
}

/// When a label is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
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

/// Every requirement.
pub fn required() -> &'static [Requirement] {
    &super::registry::FILE.required
}

/// The requirements that a span of this protocol does not meet.
pub fn unmet(node: Node<'_>, protocol: Protocol) -> impl Iterator<Item = &'static Requirement> {
    let of_span = move |one: &&Requirement| one.protocol == protocol && one.kind == node.kind;
    let is_met = move |one: &Requirement| semconv::named(node.span(), &one.names).is_some();
    required().iter().filter(of_span).filter(move |one| !is_met(one) && is_due(node, one))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conventions::{State, find};

    #[test]
    fn a_requirement_names_a_current_label_first() {
        for requirement in required() {
            let found = find(requirement.label()).map(|label| &label.state);
            assert_eq!(found, Some(&State::Current), "{}", requirement.label());
        }
    }

    /// The reader of a concept and the requirement of its label must not drift apart.
    #[test]
    fn a_requirement_is_met_by_every_name_of_its_concept() {
        let concepts = [
            semconv::HTTP_METHOD,
            semconv::HTTP_STATUS,
            semconv::URL_PATH,
            semconv::URL_SCHEME,
            semconv::URL_FULL,
            semconv::SERVER_ADDRESS,
            semconv::SERVER_PORT,
            semconv::RPC_SYSTEM,
            semconv::GRPC_STATUS,
        ];
        for names in concepts {
            let of_concept: Vec<_> = required().iter().filter(|one| one.label() == names[0]).collect();
            assert!(!of_concept.is_empty(), "nothing requires {}", names[0]);
            for requirement in of_concept {
                // It may accept more: older conventions let one label say several things.
                let is_accepted = |name: &&str| requirement.names.contains(name);
                assert!(names.iter().all(is_accepted), "{}", names[0]);
            }
        }
    }
}
