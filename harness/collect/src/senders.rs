//! Whose payloads come in where several services send: told by the `service.name` of what is in them.

use std::collections::HashMap;

use spanwise_decode::{Walk, decode_carrier, decode_span};
use spanwise_model::{Protocol, Source};

/// Who sent a payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Senders {
    /// Who sent all of it; `None` where nobody knows, and where several did.
    pub(crate) all: Option<Source>,
    /// Who sent what stands in each scope of the payload, where that is not one and the same: whoever forwards the telemetry of
    /// others puts it together.
    pub(crate) by_scope: Box<[Option<Source>]>,
}

impl Senders {
    /// One sender, or an unknown one.
    pub(crate) fn one(source: Option<Source>) -> Senders {
        Senders { all: source, by_scope: Box::default() }
    }

    /// Those of a payload, among the sources that are known by a `service.name`. A Cloud Trace span has the name as a label, all
    /// others in their resource, so the first span of a scope says it for all of that scope.
    pub(crate) fn of_payload(
        protocol: Protocol,
        payload: &[u8],
        walk: &Walk,
        known: &HashMap<String, Source>,
    ) -> Senders {
        let of_scope = |at: usize| {
            let place = walk.spans.iter().find(|span| span.scope as usize == at)?;
            let (carrier, _) = decode_carrier(protocol, payload, walk.scopes.get(at)?);
            let bytes = payload.get(place.at as usize..(place.at + place.len) as usize)?;
            let (span, _) = decode_span(protocol, bytes, &carrier);
            known.get(span?.service_name()?).cloned()
        };
        // A scope without spans says nothing of who sent those of others.
        let has_spans = |at: &usize| walk.spans.iter().any(|span| span.scope as usize == *at);
        let by_scope: Box<[Option<Source>]> = (0..walk.scopes.len()).map(of_scope).collect();
        let mut sent = (0..walk.scopes.len()).filter(has_spans).map(|at| by_scope[at].clone());
        let first = sent.next().flatten();
        match sent.all(|other| other == first) {
            true => Senders::one(first),
            false => Senders { all: None, by_scope },
        }
    }

    /// Who sent what stands in a scope.
    pub(crate) fn of_scope(&self, scope: u32) -> Option<Source> {
        self.by_scope.get(scope as usize).cloned().flatten().or_else(|| self.all.clone())
    }
}
