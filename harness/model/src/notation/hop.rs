//! What an exchange on the wire was, as far as the spans of its hop tell: the defaults of wire lines.
//! Parser and printer both ask here, so that what is left out is what is filled in.

use std::collections::HashMap;

use super::implied::{Code, Named, code_of, named};
use crate::{GrpcCode, Observation, Source, Span, SpanId, SpanKind, TraceContext, WireTap};

/// An exchange as its spans imply it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) grpc: bool,
    pub(super) status: u16,
    pub(super) grpc_status: GrpcCode,
}

/// The spans of an observation, by what wire taps know of them.
#[derive(Debug, Default)]
pub(super) struct Hops {
    by_parent: HashMap<(SpanId, Source), usize>,
    by_id: HashMap<SpanId, usize>,
    first: HashMap<Source, usize>,
}

impl Hops {
    pub(super) fn of(observation: &Observation) -> Hops {
        let mut hops = Hops::default();
        for (at, span) in observation.spans.iter().enumerate() {
            hops.by_id.entry(span.span_id).or_insert(at);
            let Some(source) = span.source.as_ref().filter(|_| span.kind == SpanKind::Server) else {
                continue;
            };
            hops.first.entry(source.clone()).or_insert(at);
            if let Some(parent) = span.parent_span_id {
                hops.by_parent.entry((parent, source.clone())).or_insert(at);
            }
        }
        hops
    }

    /// The SERVER span that an exchange made, and the span whose id it carried.
    pub(super) fn ends(&self, tap: &WireTap) -> (Option<usize>, Option<usize>) {
        let server = |context: TraceContext| self.by_parent.get(&(context.span_id, tap.to.clone())).copied();
        let sent = tap.context();
        let client = sent.and_then(|context| self.by_id.get(&context.span_id).copied());
        (tap.announced.and_then(server).or_else(|| sent.and_then(server)), client)
    }

    /// What an exchange was, by its SERVER span, else its CLIENT span, else the first SERVER span of the called service.
    pub(super) fn hop(&self, spans: &[Span], tap: &WireTap) -> Hop {
        let (server, client) = self.ends(tap);
        let client = client.filter(|at| spans[*at].is_judged());
        let span = server.or(client).or_else(|| self.first.get(&tap.to).copied()).map(|at| &spans[at]);
        let mut hop = Hop {
            method: "POST".into(),
            path: "/".into(),
            grpc: false,
            status: 200,
            grpc_status: GrpcCode::Ok,
        };
        let Some(span) = span else { return hop };
        match named(&span.name) {
            Named::Grpc(method) => {
                hop.path = format!("/{method}");
                hop.grpc = true;
            }
            Named::Http { method, route } => {
                hop.method = method.to_owned();
                hop.path = span.text("url.path").or(route).unwrap_or("/").to_owned();
            }
            Named::Other => {}
        }
        match code_of(span) {
            Some(Code::Http(status)) => hop.status = status,
            Some(Code::Grpc(code)) => hop.grpc_status = code,
            None => {}
        }
        hop
    }
}

/// The names of transports: whether the caller speaks TLS, and whether HTTP/2.
pub(super) const TRANSPORTS: [(&str, bool, bool); 4] =
    [("http/1.1", false, false), ("h2c", false, true), ("https/1.1", true, false), ("h2", true, true)];
