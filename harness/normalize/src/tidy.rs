//! What one observation may say in several ways, said in one: sorted attributes, implied facts, evidence by its source.

use std::collections::HashMap;
use std::sync::Arc;

use spanwise_model::notation::{Forest, implied_remote};
use spanwise_model::{Evidence, Header, Observation, Resource, Scope, Value};

/// The labels that spans of the driver and of the platform's front end keep: their code. They are never judged.
const CODES: [&str; 2] = ["http.response.status_code", "rpc.response.status_code"];

/// Makes an observation say everything in one way.
pub(crate) fn tidy(observation: &mut Observation) {
    attributes(observation);
    exports_by_source(observation);
    observation.logs.sort_by(|a, b| (&a.source, a.stream as u8).cmp(&(&b.source, b.stream as u8)));
    observation.process.sort_by(|a, b| a.source.cmp(&b.source));
    for tap in &mut observation.wire {
        tap.request_headers.sort_by_key(header_key);
        tap.response_headers.sort_by_key(header_key);
        tap.trailers.sort_by_key(header_key);
    }
    recorded(observation);
}

/// The headers that wire lines imply come first.
fn header_key(header: &Header) -> (bool, String) {
    let implied = header.name == "content-type" || header.name == "grpc-status";
    (!implied, header.name.to_lowercase())
}

fn attributes(observation: &mut Observation) {
    let by_key = |(a, _): &(String, Value), (b, _): &(String, Value)| a.cmp(b);
    let mut sorted: HashMap<*const Resource, Arc<Resource>> = HashMap::new();
    for span in &mut observation.spans {
        if !span.is_judged() {
            span.attributes.retain(|(key, _)| CODES.contains(&key.as_str()));
            span.resource = Arc::default();
            span.scope = Arc::<Scope>::default();
            span.protocol = None;
        }
        span.attributes.sort_by(by_key);
        for event in &mut span.events {
            event.attributes.sort_by(by_key);
        }
        for link in &mut span.links {
            link.attributes.sort_by(by_key);
        }
        let resource = sorted.entry(Arc::as_ptr(&span.resource)).or_insert_with(|| {
            let mut resource = Resource::clone(&span.resource);
            resource.attributes.sort_by(by_key);
            Arc::new(resource)
        });
        span.resource = Arc::clone(resource);
    }
}

/// Fills in whether parents are remote where exporters do not say and the tree does.
pub(crate) fn remoteness(observation: &mut Observation) {
    let forest = Forest::of(observation);
    for at in 0..observation.spans.len() {
        let parent = forest.parent[at].map(|parent| &observation.spans[parent]);
        let span = &observation.spans[at];
        let same = parent.map(|parent| parent.shown_service() == span.shown_service());
        let remote = match (span.parent_span_id, same, span.parent_is_remote) {
            (Some(id), Some(_), None) => implied_remote(span.kind, Some(id), same),
            (None, ..) => None,
            (_, _, said) => said,
        };
        observation.spans[at].parent_is_remote = remote;
    }
}

/// Sorts export requests by source and time, and renumbers what refers to them.
fn exports_by_source(observation: &mut Observation) {
    let mut order: Vec<usize> = (0..observation.exports.len()).collect();
    order.sort_by_key(|at| {
        let export = &observation.exports[*at];
        (export.source.clone(), export.time)
    });
    let mut new = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        new[*from] = to;
    }
    observation.exports = order.iter().map(|from| observation.exports[*from].clone()).collect();
    let renumber = |export: &mut Option<usize>| *export = export.and_then(|at| new.get(at).copied());
    observation.spans.iter_mut().for_each(|span| renumber(&mut span.export));
    observation.defects.iter_mut().for_each(|defect| renumber(&mut defect.export));
    let mut counts = vec![0; order.len()];
    for at in observation.spans.iter().filter_map(|span| span.export) {
        counts[at] += 1;
    }
    for (export, count) in observation.exports.iter_mut().zip(counts) {
        export.spans = count;
    }
}

/// Evidence that is there was recorded.
fn recorded(observation: &mut Observation) {
    let there = [
        (Evidence::Wire, !observation.wire.is_empty()),
        (Evidence::Logs, !observation.logs.is_empty()),
        (Evidence::Exports, !observation.exports.is_empty()),
        (Evidence::Process, !observation.process.is_empty()),
    ];
    let recorded = &observation.recorded;
    let is = |evidence: &Evidence| recorded.contains(evidence) || there.contains(&(*evidence, true));
    observation.recorded = Evidence::ALL.into_iter().filter(is).collect();
}
