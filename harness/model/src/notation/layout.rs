//! A canonical layout of times that has exactly the relations it is given: ticks through the trees, then the exceptions.

use std::collections::{HashMap, HashSet};

use super::forest::Forest;
use super::stamps;
use super::times::{Relation, firsts, same_instance};
use crate::{Observation, Span, SpanId, TraceId};

/// Where laid out times begin: a date that no clock of a run shows, in nanoseconds since the Unix epoch.
pub(super) const START: u64 = 1_600_000_000_000_000_000;
/// The distance of laid out times: a millisecond.
pub(super) const TICK: u64 = 1_000_000;
/// How far exceptions lie beside the time they are compared with; a tick holds those of any depth.
pub(super) const STEP: u64 = 10;

/// Gives everything times in which exactly these relations hold (`relations[i]` belongs to `spans[i]`): children lie in
/// their parents, siblings follow one another, traces follow one another. `timed` is whether the run's begin and end are
/// known.
pub fn lay_out(observation: &mut Observation, relations: &[Relation], timed: bool) {
    let forest = Forest::of(observation);
    let guests = guests(&observation.spans, &forest, relations);
    let lodged: HashSet<usize> = guests.values().flatten().copied().collect();
    let mut clock = START;
    for root in forest.roots.iter().copied().filter(|root| !lodged.contains(root)) {
        tree(root, &forest, &guests, &mut observation.spans, &mut clock);
    }
    exceptions(&mut observation.spans, relations, &forest);
    stamps::lay_out(observation, relations, clock);
    for (at, first) in firsts(&observation.spans).into_iter().enumerate() {
        if let Some(first) = first.filter(|_| relations[at].copy) {
            let spans = &mut observation.spans;
            (spans[at].start, spans[at].end) = (spans[first].start, spans[first].end);
        }
    }
    displace(&mut observation.spans, relations);
    for span in &mut observation.spans {
        let step = span.end.saturating_sub(span.start) / (span.events.len() as u64 + 1);
        for (number, event) in span.events.iter_mut().enumerate() {
            event.time = span.start + step * (number as u64 + 1);
        }
    }
    (observation.settings.begun, observation.settings.ended) =
        if timed { (START - 2000 * TICK, clock + 2000 * TICK) } else { (0, 0) };
}

/// Spans of other trees that lie in a span: those that say so, and those whose parent never arrived, in the first tree of
/// their trace.
fn guests(spans: &[Span], forest: &Forest, relations: &[Relation]) -> HashMap<usize, Vec<usize>> {
    let mut named: HashMap<SpanId, usize> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        named.entry(span.span_id).or_insert(at);
    }
    let mut first: HashMap<TraceId, usize> = HashMap::new();
    let mut guests: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut host_of: HashMap<usize, usize> = HashMap::new();
    for root in forest.roots.iter().copied() {
        let span = &spans[root];
        let told = relations[root].during.and_then(|id| named.get(&id).copied());
        let host = told.or_else(|| span.parent_span_id.and_then(|_| first.get(&span.trace_id).copied()));
        match host.filter(|host| !lies_in(*host, root, forest, &host_of)) {
            Some(host) => {
                guests.entry(host).or_default().push(root);
                host_of.insert(root, host);
            }
            None => {
                first.entry(span.trace_id).or_insert(root);
            }
        }
    }
    guests
}

/// Whether a span lies in a tree, guests of guests included.
fn lies_in(span: usize, root: usize, forest: &Forest, host_of: &HashMap<usize, usize>) -> bool {
    let mut at = Some(span);
    while let Some(span) = at {
        if span == root {
            return true;
        }
        at = forest.parent[span].or_else(|| host_of.get(&span).copied());
    }
    false
}

/// Lays out a tree and its guests, a child inside its parent, behind its elder siblings.
fn tree(
    root: usize,
    forest: &Forest,
    guests: &HashMap<usize, Vec<usize>>,
    spans: &mut [Span],
    clock: &mut u64,
) {
    let mut open = vec![(root, false)];
    while let Some((at, done)) = open.pop() {
        *clock += TICK;
        if done {
            spans[at].end = *clock;
            continue;
        }
        spans[at].start = *clock;
        open.push((at, true));
        let lodged = guests.get(&at).map(Vec::as_slice).unwrap_or_default();
        open.extend(lodged.iter().rev().map(|guest| (*guest, false)));
        open.extend(forest.children[at].iter().rev().map(|child| (*child, false)));
    }
}

/// Moves children out of their parents where they say so, parents first.
fn exceptions(spans: &mut [Span], relations: &[Relation], forest: &Forest) {
    for (at, _) in forest.depth_first() {
        let Some(parent) = forest.parent[at] else { continue };
        let comparable = relations[at].is_plain() && relations[parent].is_plain();
        if !comparable || !same_instance(&spans[parent], &spans[at]) {
            continue;
        }
        if relations[at].starts_before_parent {
            spans[at].start = spans[parent].start - STEP;
        }
        if relations[at].ends_after_parent {
            spans[at].end = spans[parent].end + STEP;
        }
    }
}

/// Gives impossible times to the spans that have such.
fn displace(spans: &mut [Span], relations: &[Relation]) {
    for (span, relation) in spans.iter_mut().zip(relations) {
        if relation.reversed {
            (span.start, span.end) = (span.end.max(span.start + 1), span.start);
        }
        if relation.outside_run {
            (span.start, span.end) = (span.start - START / 2, span.end - START / 2);
        }
        if relation.no_start {
            span.start = 0;
        }
        if relation.no_end {
            span.end = 0;
        }
    }
}
