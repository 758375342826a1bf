//! Which conventions a span is to follow: those of HTTP or of gRPC.
//!
//! [`crate::semconv::protocol`] reads labels alone; rules about missing labels need to know it where labels are missing.

use spanwise_model::SpanKind;

use crate::semconv::{self, Protocol};
use crate::{Hop, Node};

/// The protocol of a SERVER or CLIENT span: by its labels, else by the exchange it took part in, else by its name.
pub fn protocol(node: Node<'_>) -> Option<Protocol> {
    node.follows()
}

/// The same, found out; the index keeps it, as many rules ask.
pub(crate) fn find_protocol(node: Node<'_>) -> Option<Protocol> {
    if !matches!(node.kind, SpanKind::Server | SpanKind::Client) {
        return None;
    }
    let (mut is_http, mut is_rpc) = (false, false);
    for (key, _) in &node.attributes {
        match key.split('.').next() {
            Some(other) if node.kind != SpanKind::Server && semconv::is_other_namespace(other) => {
                return None;
            }
            Some("rpc") => is_rpc = true,
            Some("http") => is_http = true,
            _ => is_http |= key.starts_with("/http/"),
        }
    }
    if is_rpc {
        let system = semconv::text(node.span(), semconv::RPC_SYSTEM);
        return system.is_none_or(|system| system == "grpc").then_some(Protocol::Grpc);
    }
    if is_http {
        return Some(Protocol::Http);
    }
    let on_wire = node.came_by().or_else(|| node.sent().last()).map(protocol_on_wire);
    on_wire.or_else(|| protocol_by_name(&node.name))
}

/// The methods that instrumentations know (RFC 9110, PATCH of RFC 5789, QUERY).
pub const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

fn protocol_on_wire(hop: Hop<'_>) -> Protocol {
    if hop.tap().is_grpc() { Protocol::Grpc } else { Protocol::Http }
}

fn protocol_by_name(name: &str) -> Option<Protocol> {
    match name.split_once(' ') {
        Some((method, _)) => METHODS.contains(&method).then_some(Protocol::Http),
        None if METHODS.contains(&name) => Some(Protocol::Http),
        None => {
            let (service, _) = name.trim_start_matches('/').split_once('/')?;
            is_grpc_method(name.trim_start_matches('/')).then_some(())?;
            service.contains('.').then_some(Protocol::Grpc)
        }
    }
}

/// Whether a text is `package.Service/Method`.
pub fn is_grpc_method(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(&byte))
    };
    text.split_once('/').is_some_and(|(service, method)| is_word(service) && is_word(method))
}
