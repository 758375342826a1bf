//! Parents, children and ancestors of all spans of an observation, in linear time and without recursion.
//!
//! Built once by [`super::Index::new`]. Broken input is expected: ids twice, parents missing, spans that are their own
//! ancestors; each cycle is cut at one span so that every walk ends.

use std::sync::OnceLock;

use foldhash::{HashMap, HashMapExt};
use spanwise_model::notation::Announced;
use spanwise_model::{Span, SpanId, TraceId};

/// How deep the spans are that a long path begins with.
pub(super) const HEAD: usize = 15;

/// The shape of an observation's spans; positions are those of `Observation::spans`.
pub(super) struct Forest {
    by_id: HashMap<(TraceId, SpanId), usize>,
    /// The first span of each span id, whatever its trace; made when somebody asks, as only broken trees make rules ask.
    elsewhere: OnceLock<HashMap<SpanId, usize>>,
    /// Further spans of an id that another span of the trace has already.
    pub(super) duplicates: Vec<(usize, usize)>,
    /// The parent of each span, where it is in the same trace; `None` where a cycle was cut. Spans of the platform's front end
    /// are passed over: what hangs below one hangs below its caller, whether it was stored or only announced.
    pub(super) parent: Vec<Option<usize>>,
    /// Where each span's children begin in `child_list`; one more entry than spans.
    child_starts: Vec<usize>,
    child_list: Vec<usize>,
    /// Every span, each parent before its children.
    pub(super) order: Vec<usize>,
    /// The topmost ancestor of each span.
    pub(super) root: Vec<usize>,
    /// When a walk over the forest enters and leaves each span.
    tour: Vec<(usize, usize)>,
    /// How many spans of services are above each span.
    pub(super) depth: Vec<usize>,
    /// The ancestor at the depth of [`HEAD`] of each span that is deeper, else the span itself.
    pub(super) head: Vec<usize>,
    /// Spans that are their own ancestors, one list a cycle.
    pub(super) cycles: Vec<Vec<usize>>,
}

impl Forest {
    pub(super) fn new(spans: &[Span], announced: &Announced) -> Forest {
        let mut by_id = HashMap::with_capacity(spans.len());
        let mut duplicates = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            if !has_ids(span) {
                continue;
            }
            let first = *by_id.entry((span.trace_id, span.span_id)).or_insert(at);
            if first != at {
                duplicates.push((first, at));
            }
        }
        let twins = twins(spans, &duplicates);
        let mut parent: Vec<Option<usize>> =
            (0..spans.len()).map(|at| resolve(spans, at, &by_id, &twins, announced)).collect();
        pass_over_front_ends(spans, &mut parent);
        let cycles = cut_cycles(&mut parent);
        let (child_starts, child_list) = children(&parent);
        let mut forest = Forest {
            by_id,
            elsewhere: OnceLock::new(),
            duplicates,
            child_starts,
            child_list,
            order: Vec::with_capacity(spans.len()),
            root: (0..spans.len()).collect(),
            tour: vec![(0, 0); spans.len()],
            depth: vec![0; spans.len()],
            head: (0..spans.len()).collect(),
            parent,
            cycles,
        };
        forest.walk();
        forest.measure(spans);
        forest
    }

    pub(super) fn find(&self, trace: TraceId, span: SpanId) -> Option<usize> {
        self.by_id.get(&(trace, span)).copied()
    }

    pub(super) fn find_in_any_trace(&self, spans: &[Span], span: SpanId) -> Option<usize> {
        let elsewhere = self.elsewhere.get_or_init(|| {
            let known = spans.iter().enumerate().rev().filter(|(_, span)| has_ids(span));
            known.map(|(at, span)| (span.span_id, at)).collect()
        });
        elsewhere.get(&span).copied()
    }

    pub(super) fn children(&self, at: usize) -> &[usize] {
        &self.child_list[self.child_starts[at]..self.child_starts[at + 1]]
    }

    /// Whether `at` is `ancestor` or below it.
    pub(super) fn is_at_or_below(&self, at: usize, ancestor: usize) -> bool {
        let (enter, leave) = self.tour[ancestor];
        (enter..leave).contains(&self.tour[at].0)
    }

    /// Depths, so that a path is shown without walking all of a deep chain.
    fn measure(&mut self, spans: &[Span]) {
        for &at in &self.order {
            let Some(parent) = self.parent[at].filter(|&parent| spans[parent].is_judged()) else { continue };
            self.depth[at] = self.depth[parent] + 1;
            if self.depth[at] > HEAD {
                self.head[at] = self.head[parent];
            }
        }
    }

    /// Walks all trees with a stack of its own, so that a deep chain is no deeper than a flat tree.
    fn walk(&mut self) {
        let mut clock = 0;
        let mut stack = Vec::new();
        for start in (0..self.parent.len()).filter(|&at| self.parent[at].is_none()) {
            stack.push((start, false));
            while let Some((at, left)) = stack.pop() {
                if left {
                    self.tour[at].1 = clock;
                    continue;
                }
                self.root[at] = start;
                self.tour[at].0 = clock;
                clock += 1;
                self.order.push(at);
                stack.push((at, true));
                let range = self.child_starts[at]..self.child_starts[at + 1];
                stack.extend(self.child_list[range].iter().rev().map(|&child| (child, false)));
            }
        }
    }
}

fn has_ids(span: &Span) -> bool {
    span.trace_id.is_valid() && span.span_id.is_valid()
}

/// All spans of an id that occurs more than once in a trace.
fn twins(spans: &[Span], duplicates: &[(usize, usize)]) -> HashMap<(TraceId, SpanId), Vec<usize>> {
    let mut twins: HashMap<(TraceId, SpanId), Vec<usize>> = HashMap::new();
    for &(first, second) in duplicates {
        let id = (spans[first].trace_id, spans[first].span_id);
        twins.entry(id).or_insert_with(|| vec![first]).push(second);
    }
    twins
}

/// The parent in the same trace; of several with its id, one of the same process if there is one.
fn resolve(
    spans: &[Span],
    at: usize,
    by_id: &HashMap<(TraceId, SpanId), usize>,
    twins: &HashMap<(TraceId, SpanId), Vec<usize>>,
    announced: &Announced,
) -> Option<usize> {
    let span = &spans[at];
    let id = (span.trace_id, span.parent_span_id.filter(|id| id.is_valid())?);
    match twins.get(&id) {
        // Identical copies may be many; the first few are enough to choose from.
        Some(twins) => {
            let others = || twins.iter().take(8).copied().filter(|&twin| twin != at);
            others().find(|&twin| spans[twin].source == span.source).or_else(|| others().next())
        }
        None => {
            let caller = || by_id.get(&(id.0, announced.caller(id.0, id.1)?));
            by_id.get(&id).or_else(caller).copied()
        }
    }
}

/// So many spans of front ends may stand above one another.
const FRONT_ENDS: usize = 8;

/// Hangs what is below a span of the front end below the caller of that span.
fn pass_over_front_ends(spans: &[Span], parent: &mut [Option<usize>]) {
    for at in (0..spans.len()).filter(|&at| !spans[at].is_front_end()) {
        let is_front_end = |above: &usize| spans[*above].is_front_end();
        let mut above = parent[at];
        for _ in 0..FRONT_ENDS {
            above = above.and_then(|above| if is_front_end(&above) { parent[above] } else { Some(above) });
        }
        parent[at] = above.filter(|above| !is_front_end(above));
    }
}

/// Finds spans that are their own ancestors and cuts each cycle before its first span.
fn cut_cycles(parent: &mut [Option<usize>]) -> Vec<Vec<usize>> {
    let mut cycles = Vec::new();
    let mut seen_by = vec![usize::MAX; parent.len()];
    for start in 0..parent.len() {
        let mut at = start;
        while seen_by[at] == usize::MAX {
            seen_by[at] = start;
            match parent[at] {
                Some(next) => at = next,
                None => break,
            }
        }
        if seen_by[at] == start && parent[at].is_some() {
            let mut cycle = vec![at];
            let mut next = parent[at];
            while let Some(member) = next.filter(|&member| member != at) {
                cycle.push(member);
                next = parent[member];
            }
            if next == Some(at) {
                cycle.sort_unstable();
                parent[cycle[0]] = None;
                cycles.push(cycle);
            }
        }
    }
    cycles
}

/// Children by parent, in the order of the observation: the starts and the list they point into.
fn children(parent: &[Option<usize>]) -> (Vec<usize>, Vec<usize>) {
    let mut starts = vec![0; parent.len() + 1];
    for at in parent.iter().flatten() {
        starts[at + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut list = vec![0; starts.last().copied().unwrap_or(0)];
    for (child, parent) in parent.iter().enumerate() {
        if let Some(parent) = parent {
            list[next[*parent]] = child;
            next[*parent] += 1;
        }
    }
    (starts, list)
}
