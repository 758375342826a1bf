//! Canonical order: trees and siblings by what they are, never by when they ended.
//!
//! Every span gets a rank by its own key and the ranks of its children, from the leaves up, so that equal trees stand in
//! equal order however they arrived. Only attempts of one call, which follow one another by nature, keep their order in time.

use std::collections::{BTreeMap, HashMap};

use spanwise_model::notation::{Announced, Forest, code_of, print_value};
use spanwise_model::{Observation, Span, SpanId, SpanKind, TraceId};

/// What a span is, as text that does not depend on ids, times or the order of arrival; compared field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    service: String,
    kind: SpanKind,
    name: String,
    attempt: u64,
    code: String,
    rest: String,
}

/// Puts spans into canonical depth-first order, and requests and wire taps into the order of their spans.
pub(crate) fn order(observation: &mut Observation) {
    let taps = taps_by_span(observation);
    let requests = requests_by_span(observation);
    let announced = Announced::of(&observation.wire);
    let spans = std::mem::take(&mut observation.spans);
    // Of spans with one id the first is the parent of children: their order must not depend on arrival either.
    let key = |span: &Span| Key { attempt: 0, ..key(span, &taps, &requests) };
    let mut keyed: Vec<(Key, Span)> = spans.into_iter().map(|span| (key(&span), span)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    // Where ids are doubled, a new order can give children another parent; it settles after a round or two.
    for _ in 0..ROUNDS {
        let order = depth_first(&mut keyed, &announced);
        if order.iter().enumerate().all(|(to, from)| to == *from) {
            break;
        }
        let mut old: Vec<Option<(Key, Span)>> = keyed.into_iter().map(Some).collect();
        keyed = order.into_iter().filter_map(|from| old[from].take()).collect();
    }
    observation.spans = keyed.into_iter().map(|(_, span)| span).collect();
    order_evidence(observation);
}

/// Rounds after which an order that does not settle is left as it is.
const ROUNDS: usize = 8;

/// The canonical order of a list of spans, as indices into it.
fn depth_first(keyed: &mut [(Key, Span)], announced: &Announced) -> Vec<usize> {
    let mut forest = Forest::linked(keyed.iter().map(|(_, span)| span), announced);
    number_attempts(keyed, &forest);
    let ranks = ranks(keyed, &forest);
    for children in &mut forest.children {
        children.sort_by_key(|child| ranks[*child]);
    }
    forest.roots = ordered_roots(keyed, &forest, &ranks);
    forest.depth_first().into_iter().map(|(at, _)| at).collect()
}

fn key(span: &Span, taps: &HashMap<SpanId, String>, requests: &HashMap<SpanId, String>) -> Key {
    let mut rest = format!("{:?} {}", span.status.code, span.status.message);
    let labels = |rest: &mut String, attributes: &[(String, spanwise_model::Value)]| {
        for (key, value) in attributes {
            rest.push_str(&format!(" {key}={}", print_value(value)));
        }
    };
    labels(&mut rest, &span.attributes);
    for event in &span.events {
        rest.push_str(&format!(" event {}", event.name));
        labels(&mut rest, &event.attributes);
    }
    for link in &span.links {
        rest.push_str(" link");
        labels(&mut rest, &link.attributes);
    }
    for id in &span.malformed_ids {
        rest.push_str(&format!(" {:?} {:?} {}", id.field, id.problem, id.text));
    }
    rest.push_str(&format!(
        " {:?} {:?} {:?} {:?} {} {} {} {:?} {}",
        span.parent_span_id.map(SpanId::is_valid),
        span.status.rpc_code,
        span.protocol,
        span.export,
        span.dropped_attributes,
        span.dropped_events,
        span.dropped_links,
        span.scope,
        span.trace_state,
    ));
    labels(&mut rest, &span.resource.attributes);
    if span.start == 0 || span.end < span.start {
        rest.push_str(&format!(" {} {}", span.start == 0, span.end == 0));
    }
    for text in [taps.get(&span.span_id), requests.get(&span.span_id)].into_iter().flatten() {
        rest.push_str(text);
    }
    // The driver comes first: no service's name is shorter.
    let service =
        if span.is_driver() { String::new() } else { format!("{:?} {}", span.source, span.shown_service()) };
    let code = code_of(span).map(|code| code.to_string()).unwrap_or_default();
    Key { service, kind: span.kind, name: span.name.clone(), attempt: 0, code, rest }
}

/// What the wire shows of the calls that a span made.
fn taps_by_span(observation: &Observation) -> HashMap<SpanId, String> {
    let mut texts: HashMap<SpanId, Vec<String>> = HashMap::new();
    for tap in &observation.wire {
        if let Some(context) = tap.context() {
            let text = format!(
                " {:?} {} {:?} {:?} {:?} {:?} {:?}",
                tap.from,
                tap.to,
                tap.tls,
                tap.http,
                tap.status,
                tap.end,
                tap.announced.map(|announced| announced.sampled),
            );
            texts.entry(context.span_id).or_default().push(text);
        }
    }
    let joined = |mut texts: Vec<String>| {
        texts.sort();
        texts.concat()
    };
    texts.into_iter().map(|(id, texts)| (id, joined(texts))).collect()
}

/// What is known of the request of a driver's span.
fn requests_by_span(observation: &Observation) -> HashMap<SpanId, String> {
    let text = |request: &spanwise_model::Request| {
        let sampled = request.context.map(|context| context.sampled);
        format!(
            " {} {:?} {:?} {:?} {:?} {:?} {:?}",
            request.to,
            request.step,
            request.marker,
            request.result,
            request.expected,
            request.differences,
            sampled
        )
    };
    observation.requests.iter().map(|request| (request.span_id, text(request))).collect()
}

/// Numbers the SERVER children of one CLIENT span that are alike in time: they are attempts, one behind the other.
fn number_attempts(keyed: &mut [(Key, Span)], forest: &Forest) {
    for (parent, children) in forest.children.iter().enumerate() {
        let caller = &keyed[parent].1;
        if caller.kind != SpanKind::Client || caller.is_driver() || children.len() < 2 {
            continue;
        }
        let is_server = |child: &usize| keyed[*child].1.kind == SpanKind::Server;
        let mut attempts: Vec<usize> = children.iter().copied().filter(is_server).collect();
        attempts.sort_by_key(|child| keyed[*child].1.start);
        for (number, child) in attempts.into_iter().enumerate() {
            keyed[child].0.attempt = number as u64;
        }
    }
}

/// Ranks every span among those of its depth, by its key and then by its children.
fn ranks(keyed: &[(Key, Span)], forest: &Forest) -> Vec<u32> {
    let mut levels: Vec<Vec<usize>> = Vec::new();
    for (at, depth) in forest.depth_first() {
        if levels.len() <= depth {
            levels.push(Vec::new());
        }
        levels[depth].push(at);
    }
    let mut ranks = vec![0; keyed.len()];
    for level in levels.iter().rev() {
        let mut of_level: BTreeMap<(&Key, Vec<u32>), Vec<usize>> = BTreeMap::new();
        for at in level {
            let mut children: Vec<u32> = forest.children[*at].iter().map(|child| ranks[*child]).collect();
            children.sort_unstable();
            of_level.entry((&keyed[*at].0, children)).or_default().push(*at);
        }
        for (rank, spans) in of_level.into_values().enumerate() {
            spans.into_iter().for_each(|at| ranks[at] = rank as u32);
        }
    }
    ranks
}

/// Roots trace by trace, the driver's traces first, then by rank; in a trace its true roots before those whose parent
/// never arrived.
fn ordered_roots(keyed: &[(Key, Span)], forest: &Forest, ranks: &[u32]) -> Vec<usize> {
    let mut traces: HashMap<TraceId, Vec<usize>> = HashMap::new();
    for root in &forest.roots {
        traces.entry(keyed[*root].1.trace_id).or_default().push(*root);
    }
    let root_key = |at: &usize| {
        let span = &keyed[*at].1;
        (!span.is_driver(), span.parent_span_id.is_some(), ranks[*at])
    };
    let mut traces: Vec<Vec<usize>> = traces.into_values().collect();
    for roots in &mut traces {
        roots.sort_by_key(root_key);
    }
    // What the map lost is found again: the order of the list, under that of the keys.
    traces.sort_by_key(|roots| roots.first().copied());
    traces.sort_by_cached_key(|roots| roots.iter().map(root_key).collect::<Vec<_>>());
    traces.into_iter().flatten().collect()
}

/// Puts requests and wire taps into the order of the spans they are about.
fn order_evidence(observation: &mut Observation) {
    let mut place: HashMap<SpanId, usize> = HashMap::new();
    for (at, span) in observation.spans.iter().enumerate() {
        place.entry(span.span_id).or_insert(at);
    }
    let missing = observation.spans.len();
    let at = |id: SpanId| place.get(&id).copied().unwrap_or(missing);
    observation.requests.sort_by_key(|request| at(request.span_id));
    observation.wire.sort_by_cached_key(|tap| {
        let place = tap.context().map_or(missing + 1, |context| at(context.span_id));
        (place, tap.from.clone(), tap.to.clone(), tap.stamps.begun)
    });
}
