//! How a request ended: the code on the wire, the code on the span, and which of the two counts.
//!
//! Rules of the family `status` ask here. What counts as an error is for the rules to say.

use spanwise_model::{End, GrpcCode, SpanKind};

use crate::semconv::{self, Protocol};
use crate::{Findings, Hop, Node};

/// How the request of a SERVER or CLIENT span ended.
#[derive(Clone, Copy)]
pub(crate) struct Outcome<'i, C> {
    /// What the service answered, or what the client got in the end.
    pub(crate) code: C,
    /// The exchange that carried the answer; of several attempts the last.
    pub(crate) hop: Option<Hop<'i>>,
}

/// How the gRPC call of a span of this kind ended. It tells `findings` that there was something to look at, or that
/// nothing is known of it; `None` for every other span.
pub(crate) fn grpc<'i>(
    node: Node<'i>,
    kind: SpanKind,
    findings: &mut Findings<'_>,
) -> Option<Outcome<'i, GrpcCode>> {
    is_judged(node, kind, Protocol::Grpc, findings)?;
    let hop = answer(node);
    let label = semconv::grpc_status(node.span());
    let wire = hop.and_then(grpc_on_wire);
    // A client may fail by itself after a good answer (its deadline, a message too large); a server may not.
    let local = label
        .filter(|label| kind == SpanKind::Client && *label != GrpcCode::Ok && wire == Some(GrpcCode::Ok));
    observe(local.or(wire).or(label), hop, findings)
}

/// How the HTTP request of a span of this kind ended, as [`grpc`] has it. gRPC calls are none.
pub(crate) fn http<'i>(
    node: Node<'i>,
    kind: SpanKind,
    findings: &mut Findings<'_>,
) -> Option<Outcome<'i, u16>> {
    is_judged(node, kind, Protocol::Http, findings)?;
    let hop = answer(node);
    let label = semconv::http_status(node.span());
    let wire = hop.and_then(http_on_wire);
    observe(wire.or(label), hop, findings)
}

/// The HTTP status of an answer. `101 Switching Protocols` is none: what comes behind it decides how the request ended.
pub(crate) fn http_on_wire(hop: Hop<'_>) -> Option<u16> {
    hop.tap().status.filter(|status| *status != 101)
}

/// The exchange that decided how the request of a span ended: for a SERVER span the one that it answered, for a CLIENT
/// span the last of its attempts.
pub(crate) fn answer(node: Node<'_>) -> Option<Hop<'_>> {
    match node.kind {
        // What is paired by guess decides nothing, and what the front answered was not the service's.
        SpanKind::Server => {
            node.came_by().filter(|hop| hop.server() == Some(node) && hop.is_answered_by_service())
        }
        _ => node.sent().last(),
    }
}

/// The protocol of a span by its labels, else by its exchange.
pub(crate) fn protocol(node: Node<'_>) -> Option<Protocol> {
    node.speaks()
}

/// The same, found out; the index keeps it, as many rules ask.
pub(crate) fn find_protocol(node: Node<'_>) -> Option<Protocol> {
    let by_hop = |hop: Hop<'_>| if hop.tap().is_grpc() { Protocol::Grpc } else { Protocol::Http };
    if semconv::is_of_other_conventions(node.span()) {
        return None;
    }
    semconv::protocol_by_labels(node.span()).or_else(|| answer(node).map(by_hop))
}

fn is_judged(node: Node<'_>, kind: SpanKind, of: Protocol, findings: &mut Findings<'_>) -> Option<()> {
    if node.has_unknown_kind() && semconv::protocol(node.span()) == Some(of) {
        findings.not_observed();
    }
    (node.kind == kind && protocol(node) == Some(of)).then_some(())
}

fn observe<'i, C>(
    code: Option<C>,
    hop: Option<Hop<'i>>,
    findings: &mut Findings<'_>,
) -> Option<Outcome<'i, C>> {
    match code {
        Some(code) => {
            findings.looked();
            Some(Outcome { code, hop })
        }
        None => {
            findings.not_observed();
            None
        }
    }
}

/// The gRPC code of an answer: `grpc-status`, else what clients make of a bare HTTP status (gRPC,
/// `doc/http-grpc-status-mapping.md`). An answer that broke off has none.
fn grpc_on_wire(hop: Hop<'_>) -> Option<GrpcCode> {
    let tap = hop.tap();
    if tap.end != End::Complete {
        return None;
    }
    tap.grpc_status().or_else(|| match tap.status? {
        200 => None,
        400 => Some(GrpcCode::Internal),
        401 => Some(GrpcCode::Unauthenticated),
        403 => Some(GrpcCode::PermissionDenied),
        404 => Some(GrpcCode::Unimplemented),
        429 | 502 | 503 | 504 => Some(GrpcCode::Unavailable),
        _ => Some(GrpcCode::Unknown),
    })
}
