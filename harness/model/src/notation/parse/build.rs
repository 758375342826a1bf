//! Span lines to spans: parents by indentation, traces, resources, implied labels.

use std::collections::HashMap;
use std::sync::Arc;

use crate::notation::error::NotationError;
use crate::notation::implied::{implied_labels, implied_remote, implied_resource};
use crate::notation::times::Relation;
use crate::{Observation, Protocol, Request, Resource, Scope, Source, Span, Value};

use super::labels::Labels;
use super::names::Names;
use super::resource::Resources;
use super::span::Draft;

/// Turns drafts into the observation's spans and requests; returns the relations of their times.
pub(super) fn build(
    drafts: Vec<Draft>,
    resources: &mut Resources,
    names: &mut Names,
    observation: &mut Observation,
    capture: bool,
) -> Result<Vec<Relation>, NotationError> {
    let exports = FirstExports::of(observation);
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut above = Vec::with_capacity(drafts.len());
    let mut relations = Vec::with_capacity(drafts.len());
    let mut requests = Vec::new();
    let mut interned: HashMap<String, Arc<Resource>> = HashMap::new();
    for (at, draft) in drafts.into_iter().enumerate() {
        while open.last().is_some_and(|(depth, _)| *depth >= draft.depth) {
            open.pop();
        }
        above.push(open.last().map(|(_, parent)| *parent));
        let parent = open.last().map(|(_, parent)| &observation.spans[*parent]);
        open.push((draft.depth, at));
        let place = draft.place;
        let Draft { mut span, mut labels, mut service_names, service, code, request, .. } = draft;
        if !draft.named {
            span.span_id = names.anonymous();
        }
        match parent {
            Some(parent) => {
                if draft.trace.is_some() || draft.parent.is_some() {
                    let expected = "`trace=` and `parent=` on lines without indentation only";
                    return Err(place.expected(expected, &span.name));
                }
                span.trace_id = parent.trace_id;
                span.parent_span_id = Some(draft.announced.unwrap_or(parent.span_id));
            }
            None if draft.announced.is_some() => {
                return Err(place.expected("`announced=` on lines with indentation only", &span.name));
            }
            None => {
                span.trace_id = match draft.trace {
                    Some(trace) => trace,
                    None => names.trace("T1", place)?,
                };
                span.parent_span_id = draft.parent;
            }
        }
        let is_reserved = |source: &Source| source.is_driver() || source.is_front_end();
        let shown = service.as_ref().map_or("?".to_owned(), Source::to_string);
        let unknown = |source: &Source| draft.without_source || (capture && !is_reserved(source));
        span.source = service.filter(|source| !unknown(source));
        span.parent_is_remote = match draft.remote {
            Some(remote) => remote,
            None => {
                let same = |parent: &Span| parent.shown_service() == shown;
                implied_remote(span.kind, span.parent_span_id, parent.map(same))
            }
        };
        let mut implied = implied_labels(span.is_judged(), span.kind, &span.name, code);
        let cloud_trace = span.protocol.is_some_and(Protocol::is_cloud_trace);
        if cloud_trace {
            implied.extend(implied_resource(&shown));
            // Cloud Trace has no resource: there the service's name is a label.
            for name in service_names.drain(..) {
                match name {
                    Some(name) => labels.written.push(("service.name".to_owned(), name)),
                    None => labels.absent.push("service.name".to_owned()),
                }
            }
        }
        span.attributes = labels.complete(implied);
        span.resource = match (&draft.resource, service_names.pop()) {
            (Some(name), _) => resources.named(name, place)?,
            (None, None) if cloud_trace => Arc::default(),
            (None, None) => {
                Arc::clone(interned.entry(shown.clone()).or_insert_with(|| Arc::new(resources.of(&shown))))
            }
            (None, Some(name)) => Arc::new(with_service_name(resources.of(&shown), name)),
        };
        span.scope = scope(resources.scope_of(&shown), draft.scope);
        span.export = draft.export.unwrap_or_else(|| exports.of_span(&span));
        if span.is_driver() && !request.left_out {
            requests.push((at, request, code));
        }
        relations.push(draft.relation);
        observation.spans.push(span);
    }
    for (at, request, code) in requests {
        let to = default_receiver(&observation.spans, &above, at);
        let span = &observation.spans[at];
        let request: Request = request.complete((span.trace_id, span.span_id), code, to);
        observation.requests.push(request);
    }
    Ok(relations)
}

/// The first export request of each source: the one that its spans came with, if nothing else is said.
pub(in crate::notation) struct FirstExports(HashMap<Source, usize>);

impl FirstExports {
    pub(in crate::notation) fn of(observation: &Observation) -> FirstExports {
        let mut first = HashMap::new();
        for (at, export) in observation.exports.iter().enumerate() {
            if let Some(source) = &export.source {
                first.entry(source.clone()).or_insert(at);
            }
        }
        FirstExports(first)
    }

    pub(in crate::notation) fn of_span(&self, span: &Span) -> Option<usize> {
        span.source.as_ref().and_then(|source| self.0.get(source).copied())
    }
}

/// The service that a request went to, if nothing else is said: that of the driver's first child behind it, the front end's
/// own span aside, else the first that has spans. `above` holds the parent of each span.
pub(in crate::notation) fn default_receiver(
    spans: &[Span],
    above: &[Option<usize>],
    driver: usize,
) -> Source {
    let services = || spans.iter().filter(|span| span.is_judged());
    let below = |at: usize| spans.get(at + 1).filter(|_| above[at + 1] == Some(at));
    let near = match below(driver) {
        Some(span) if span.is_front_end() => below(driver + 1),
        near => near,
    };
    let found = near.filter(|span| span.is_judged()).or_else(|| services().next());
    found.and_then(|span| span.source.clone()).unwrap_or_else(|| Source::new("service", 1))
}

/// A resource with another service name, or none.
fn with_service_name(mut resource: Resource, name: Option<Value>) -> Resource {
    resource.attributes.retain(|(key, _)| key != "service.name");
    let written = name.map(|name| ("service.name".to_owned(), name));
    resource.attributes =
        Labels { written: resource.attributes.into_iter().chain(written).collect(), absent: Vec::new() }
            .complete(Vec::new());
    resource
}

fn scope(base: Arc<Scope>, fields: [Option<String>; 3]) -> Arc<Scope> {
    if fields.iter().all(Option::is_none) {
        return base;
    }
    let [name, version, schema_url] = fields;
    Arc::new(Scope {
        name: name.unwrap_or_else(|| base.name.clone()),
        version: version.unwrap_or_else(|| base.version.clone()),
        schema_url: schema_url.unwrap_or_else(|| base.schema_url.clone()),
    })
}
