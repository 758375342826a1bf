//! What differs between two observations, in words: what differential rules and snapshots say.
//!
//! Both must be in one form (`normalize` or `agreeing`). Spans are matched along the trees by service, kind and name, so that
//! one span that hangs elsewhere is one difference, not two.

use std::collections::HashMap;

use super::forest::Forest;
use super::implied::code_of;
use super::times::{Relation, relations};
use super::value::print_value;
use crate::{Observation, Span, SpanKind, Value};

/// One difference between two observations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The span on the left, as an index; `None` where only the right has it.
    pub left: Option<usize>,
    /// The span on the right, as an index; `None` where only the left has it.
    pub right: Option<usize>,
    /// What differs, in words: `api-service CLIENT "POST": label k differs: 1 / 2`.
    pub text: String,
}

/// Says what differs between two observations in one form; empty if their spans and requests are alike.
pub fn diff(left: &Observation, right: &Observation) -> Vec<Difference> {
    let sides = Sides { left: Side::of(left), right: Side::of(right) };
    let mut differences = Vec::new();
    let mut pairs = Pairs::default();
    pairs.below(&sides, &sides.left.forest.roots, &sides.right.forest.roots);
    let moved = pairs.elsewhere(&sides);
    for (a, b) in &pairs.both {
        let (one, two) = (&left.spans[*a], &right.spans[*b]);
        let mut add = |what: String| {
            let text = format!("{}: {what}", shown(one));
            differences.push(Difference { left: Some(*a), right: Some(*b), text });
        };
        if moved.contains(&(*a, *b)) {
            let (from, to) = (sides.left.place(*a), sides.right.place(*b));
            add(if from == to {
                "moved below another parent of the same name".to_owned()
            } else {
                format!("moved from {from} to {to}")
            });
        }
        fields(one, two, &mut add);
        times(&sides.left.relations[*a], &sides.right.relations[*b], &mut add);
    }
    for at in &pairs.left_alone {
        let text = format!("{} is missing ({})", shown(&left.spans[*at]), sides.left.place(*at));
        differences.push(Difference { left: Some(*at), right: None, text });
    }
    for at in &pairs.right_alone {
        let text = format!("{} is there in addition ({})", shown(&right.spans[*at]), sides.right.place(*at));
        differences.push(Difference { left: None, right: Some(*at), text });
    }
    differences.sort_by_key(|difference| (difference.left.or(difference.right), difference.left.is_none()));
    requests(left, right, &mut differences);
    differences
}

/// One observation with its trees.
struct Side<'a> {
    spans: &'a [Span],
    forest: Forest,
    relations: Vec<Relation>,
}

struct Sides<'a> {
    left: Side<'a>,
    right: Side<'a>,
}

/// What a span is matched by.
type Key<'a> = (String, SpanKind, &'a str);

impl<'a> Side<'a> {
    fn of(observation: &'a Observation) -> Side<'a> {
        let forest = Forest::of(observation);
        let relations = relations(observation, &forest);
        Side { spans: &observation.spans, forest, relations }
    }

    fn key(&self, at: usize) -> Key<'a> {
        let span = &self.spans[at];
        (span.shown_service(), span.kind, &span.name)
    }

    /// Where a span hangs, in words.
    fn place(&self, at: usize) -> String {
        match (self.forest.parent[at], self.spans[at].parent_span_id) {
            (Some(parent), _) => format!("child of {}", shown(&self.spans[parent])),
            (None, None) => "root".to_owned(),
            (None, Some(id)) if !id.is_valid() => "root with a parent of zeros".to_owned(),
            (None, Some(_)) => "child of a span that is not there".to_owned(),
        }
    }
}

/// Which spans of the two sides are the same.
#[derive(Default)]
struct Pairs {
    both: Vec<(usize, usize)>,
    left_alone: Vec<usize>,
    right_alone: Vec<usize>,
}

impl Pairs {
    /// Matches two lists of siblings and all below them; those without a partner are kept with all below them.
    fn below(&mut self, sides: &Sides<'_>, left: &[usize], right: &[usize]) {
        let mut open: Vec<(Vec<usize>, Vec<usize>)> = vec![(left.to_vec(), right.to_vec())];
        while let Some((left, right)) = open.pop() {
            let mut waiting: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
            for at in right.iter().rev() {
                waiting.entry(sides.right.key(*at)).or_default().push(*at);
            }
            let mut matched = Vec::new();
            for at in left {
                let candidates = waiting.get_mut(&sides.left.key(at));
                match candidates.and_then(|list| best(list, |other| likeness(sides, at, other))) {
                    Some(other) => matched.push((at, other)),
                    None => subtree(&sides.left.forest, at, &mut self.left_alone),
                }
            }
            let mut rest: Vec<usize> = waiting.into_values().flatten().collect();
            rest.sort_unstable();
            rest.into_iter().for_each(|at| subtree(&sides.right.forest, at, &mut self.right_alone));
            for (a, b) in matched {
                self.both.push((a, b));
                let (a, b) = (&sides.left.forest.children[a], &sides.right.forest.children[b]);
                if !(a.is_empty() && b.is_empty()) {
                    open.push((a.clone(), b.clone()));
                }
            }
        }
    }

    /// Matches what hangs elsewhere on the other side; returns the pairs that moved, without those that moved along.
    fn elsewhere(&mut self, sides: &Sides<'_>) -> Vec<(usize, usize)> {
        let mut waiting: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
        for at in self.right_alone.iter().rev() {
            waiting.entry(sides.right.key(*at)).or_default().push(*at);
        }
        let mut found: HashMap<usize, usize> = HashMap::new();
        let mut order = Vec::new();
        for at in &self.left_alone {
            let candidates = waiting.get_mut(&sides.left.key(*at));
            if let Some(other) = candidates.and_then(|list| best(list, |other| likeness(sides, *at, other))) {
                found.insert(*at, other);
                order.push((*at, other));
            }
        }
        let taken: std::collections::HashSet<usize> = found.values().copied().collect();
        self.left_alone.retain(|at| !found.contains_key(at));
        self.right_alone.retain(|at| !taken.contains(at));
        self.both.extend(&order);
        let along = |(a, b): &(usize, usize)| {
            let parents = (sides.left.forest.parent[*a], sides.right.forest.parent[*b]);
            matches!(parents, (Some(a), Some(b)) if found.get(&a) == Some(&b))
        };
        order.retain(|pair| !along(pair));
        order
    }
}

/// Takes the most alike of some candidates, which wait in reverse order; the first of several.
fn best(waiting: &mut Vec<usize>, likeness: impl Fn(usize) -> usize) -> Option<usize> {
    // Among many of one name the next is good enough, and keeps the comparison linear.
    let seen = waiting.iter().enumerate().rev().take(8);
    let (at, _) =
        seen.map(|(at, other)| (at, likeness(*other))).reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    Some(waiting.remove(at))
}

fn likeness(sides: &Sides<'_>, left: usize, right: usize) -> usize {
    let (a, b) = (&sides.left.spans[left], &sides.right.spans[right]);
    let children = |side: &Side<'_>, at: usize| side.forest.children[at].len();
    usize::from(code_of(a) == code_of(b)) * 2
        + usize::from(a.status == b.status)
        + usize::from(a.attributes == b.attributes)
        + usize::from(children(&sides.left, left) == children(&sides.right, right))
}

fn subtree(forest: &Forest, root: usize, into: &mut Vec<usize>) {
    let mut open = vec![root];
    while let Some(at) = open.pop() {
        into.push(at);
        open.extend(forest.children[at].iter().rev());
    }
}

fn shown(span: &Span) -> String {
    format!("{} {} \"{}\"", span.shown_service(), span.kind.as_str(), span.name)
}

fn fields(one: &Span, two: &Span, add: &mut impl FnMut(String)) {
    if (one.trace_id.is_valid(), one.span_id.is_valid()) != (two.trace_id.is_valid(), two.span_id.is_valid())
    {
        add("one has ids of zeros and the other has not".to_owned());
    }
    if one.status.code != two.status.code {
        add(format!("status differs: {} / {}", one.status.code.as_str(), two.status.code.as_str()));
    }
    if one.status.message != two.status.message {
        add(format!("status description differs: {:?} / {:?}", one.status.message, two.status.message));
    }
    if one.parent_is_remote != two.parent_is_remote {
        add(format!("remote parent differs: {:?} / {:?}", one.parent_is_remote, two.parent_is_remote));
    }
    labels("label", &one.attributes, &two.attributes, add);
    labels("resource attribute", &one.resource.attributes, &two.resource.attributes, add);
    let names =
        |span: &Span| span.events.iter().map(|event| event.name.clone()).collect::<Vec<_>>().join(", ");
    if names(one) != names(two) {
        add(format!("events differ: [{}] / [{}]", names(one), names(two)));
    } else {
        for (a, b) in one.events.iter().zip(&two.events) {
            labels(&format!("label of event {:?},", a.name), &a.attributes, &b.attributes, add);
        }
    }
    if one.links.len() != two.links.len() {
        add(format!("number of links differs: {} / {}", one.links.len(), two.links.len()));
    } else {
        one.links
            .iter()
            .zip(&two.links)
            .for_each(|(a, b)| labels("label of a link,", &a.attributes, &b.attributes, add));
    }
    let rest = |span: &Span| {
        let scope = &span.scope;
        [
            ("scope", scope.name.clone()),
            ("schema", scope.schema_url.clone()),
            ("tracestate", span.trace_state.clone()),
            ("Cloud Trace status code", format!("{:?}", span.status.rpc_code)),
            ("protocol", format!("{:?}", span.protocol)),
            ("dropped attributes", span.dropped_attributes.to_string()),
            ("dropped events", span.dropped_events.to_string()),
            ("dropped links", span.dropped_links.to_string()),
            ("malformed ids", format!("{:?}", span.malformed_ids)),
        ]
    };
    for ((what, a), (_, b)) in rest(one).into_iter().zip(rest(two)) {
        if a != b {
            add(format!("{what} differs: {a} / {b}"));
        }
    }
}

fn labels(what: &str, one: &[(String, Value)], two: &[(String, Value)], add: &mut impl FnMut(String)) {
    let values = |list: &[(String, Value)], key: &str| -> Vec<String> {
        list.iter().filter(|(name, _)| name == key).map(|(_, value)| print_value(value)).collect()
    };
    let mut keys: Vec<&str> = one.iter().chain(two).map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (a, b) = (values(one, key), values(two, key));
        if a == b {
            continue;
        }
        add(match (a.as_slice(), b.as_slice()) {
            (_, []) => format!("{what} {key} is missing, was {}", a.join(", ")),
            ([], _) => format!("{what} {key} is there in addition: {}", b.join(", ")),
            _ => format!("{what} {key} differs: {} / {}", a.join(", "), b.join(", ")),
        });
    }
}

fn times(one: &Relation, two: &Relation, add: &mut impl FnMut(String)) {
    let words = |relation: &Relation| match relation.words().join(" ") {
        words if words.is_empty() => "in order".to_owned(),
        words => words,
    };
    if words(one) != words(two) {
        add(format!("times differ: {} / {}", words(one), words(two)));
    }
}

fn requests(left: &Observation, right: &Observation, differences: &mut Vec<Difference>) {
    let mut add = |text: String| differences.push(Difference { left: None, right: None, text });
    if left.requests.len() != right.requests.len() {
        add(format!("number of requests differs: {} / {}", left.requests.len(), right.requests.len()));
        return;
    }
    for (a, b) in left.requests.iter().zip(&right.requests) {
        if a.result != b.result {
            add(format!("request to {}: result differs: {} / {}", a.to, a.result, b.result));
        }
        for (one, other) in [(a, b), (b, a)] {
            for part in one.differences.iter().filter(|part| !other.differences.contains(part)) {
                add(format!("request to {}: in one of the answers {} is {}", a.to, part.part, part.actual));
            }
        }
    }
}
