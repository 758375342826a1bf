//! The form that permutations of one group share: what channels, exporters, propagation formats and the platform may change is
//! taken out.

use std::sync::Arc;

use spanwise_model::notation::{Forest, implied_remote};
use spanwise_model::{Evidence, IdField, Observation, Resource, Scope, Settings, Source, Span, Value};

use crate::{fold_front_end, normalize, settle};

/// Attributes that one exporter sends as labels of spans and another in the resource, or that only one sends.
const EXPORTER: [&str; 11] = [
    "g.co/agent",
    "g.co/r/",
    "otel.scope.",
    "service.",
    "telemetry.",
    "cloud.",
    "faas.",
    "host.",
    "process.",
    "os.",
    "gcp.",
];

/// Attributes that tell how a request came: the channel decides them.
const CHANNEL: [&str; 4] = ["network.protocol.", "network.transport", "network.type", "tls."];

/// The normal form without what depends on channel, exporter, propagation and platform: snapshots hold it, and the permutations
/// of a group must have the same one.
///
/// Spans that the platform's front end made or announced are left out, and what hangs below them hangs below their caller.
/// Spans, their labels, status, events and links stay, and the requests. Wire taps, logs, exports, process events, defects
/// and settings go; of a resource only `service.name` stays, wherever the exporter put it. Which instance of a service it was
/// is the platform's choice, and goes, too. Doubles, bytes, lists and maps
/// become text, as Cloud Trace v2 has nothing else for them: lists and maps as JSON without spaces, which text that is a
/// JSON list becomes as well. `url.scheme` reads `http` for `https` too. Values that differ by nature, as the settings say of their
/// labels, are scrubbed.
pub fn agreeing(observation: &Observation) -> Observation {
    let mut reduced = observation.clone();
    reduced.name.clear();
    fold_front_end(&mut reduced.spans, &reduced.wire);
    reduced.wire.clear();
    reduced.logs.clear();
    reduced.exports.clear();
    reduced.process.clear();
    reduced.defects.clear();
    let settings = std::mem::take(&mut reduced.settings);
    reduced.recorded = vec![Evidence::Spans, Evidence::Resource];
    for span in &mut reduced.spans {
        reduce(span, &settings);
    }
    remoteness(&mut reduced);
    for request in &mut reduced.requests {
        request.to.instance = 1;
        let own = (request.trace_id, request.span_id);
        if let Some(context) =
            request.context.as_mut().filter(|context| (context.trace_id, context.span_id) == own)
        {
            // Whether a header can leave the decision open depends on its format.
            context.sampled = context.sampled.or(Some(false));
        }
    }
    let mut agreed = normalize(&reduced);
    // Work that outlives its caller by a moment does so in one run and not in the next.
    settle(&mut agreed, |relation| relation.ends_after_parent = false);
    agreed
}

fn reduce(span: &mut Span, settings: &Settings) {
    let name = span.service_name().map(str::to_owned);
    let attributes = name.map(|name| ("service.name".to_owned(), Value::Str(name)));
    span.resource = Arc::new(Resource { attributes: attributes.into_iter().collect() });
    span.scope = Arc::<Scope>::default();
    if let Some(source) = &mut span.source {
        source.instance = 1;
    }
    span.protocol = None;
    span.export = None;
    span.trace_state.clear();
    span.status.rpc_code = None;
    span.malformed_ids.retain(|id| id.field != IdField::ResourceName);
    let events = span.events.iter_mut().map(|event| &mut event.attributes);
    let links = span.links.iter_mut().map(|link| &mut link.attributes);
    for attributes in [&mut span.attributes].into_iter().chain(events).chain(links) {
        reduce_attributes(attributes);
        for (_, value) in attributes.iter_mut().filter(|(key, _)| settings.varies(key)) {
            *value = Value::Scrubbed("varies".to_owned());
        }
    }
}

fn reduce_attributes(attributes: &mut Vec<(String, Value)>) {
    let belongs = |key: &str, list: &[&str]| {
        list.iter().any(|entry| key == *entry || (entry.ends_with(['.', '/']) && key.starts_with(entry)))
    };
    attributes.retain(|(key, _)| !belongs(key, &EXPORTER) && !belongs(key, &CHANNEL));
    for (key, value) in attributes {
        match value {
            Value::Double(_) | Value::Bytes(_) => *value = Value::Str(value.to_string()),
            Value::Array(_) | Value::Map(_) => *value = Value::Str(json(value).to_string()),
            Value::Str(text) if text.starts_with('[') => compact(text),
            Value::Str(text) if key == "url.scheme" && text == "https" => *text = "http".to_owned(),
            _ => {}
        }
    }
}

/// Takes the spaces between the items out of text that is a JSON list: exporters that write lists as text differ in them.
/// Any other text that begins like a list, such as `[Errno 111] Connection refused`, stays as it is.
fn compact(text: &mut String) {
    if let Ok(list @ serde_json::Value::Array(_)) = serde_json::from_str(text) {
        *text = list.to_string();
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Double(number) => (*number).into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        Value::Str(_) | Value::Bytes(_) | Value::Scrubbed(_) => value.to_string().into(),
    }
}

fn remoteness(observation: &mut Observation) {
    let forest = Forest::of(observation);
    let shown: Vec<String> = observation.spans.iter().map(Span::shown_service).collect();
    for (at, span) in observation.spans.iter_mut().enumerate() {
        let same = forest.parent[at].map(|parent| shown[parent] == shown[at]);
        span.parent_is_remote = implied_remote(span.kind, span.parent_span_id, same);
        if span.source.as_ref().is_some_and(Source::is_driver) {
            span.resource = Arc::default();
        }
    }
}
