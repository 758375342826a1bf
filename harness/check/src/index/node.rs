//! One span in its tree, as rules see it.
//!
//! A [`Node`] is a span (it dereferences to one) that knows its parent, children, hop and request.

use std::ops::Deref;

use spanwise_model::{Label, Span, SpanId, SpanKind, TraceContext, Value};

use super::forest::{Forest, HEAD};
use super::{Hop, Index};
use crate::semconv::Protocol;

/// A span with its place in the observation. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'i> {
    pub(super) index: &'i Index<'i>,
    pub(super) at: usize,
}

/// Of a longer path than twice this, this many spans are shown at either end.
const HALF: usize = HEAD + 1;

impl<'i> Node<'i> {
    /// Its position in [`spanwise_model::Observation::spans`].
    pub fn at(self) -> usize {
        self.at
    }

    /// The span itself, for as long as the index lives.
    pub fn span(self) -> &'i Span {
        &self.index.observation.spans[self.at]
    }

    /// The parent in the same trace, where it arrived; the driver's span for the first span of a request.
    pub fn parent(self) -> Option<Node<'i>> {
        self.index.forest.parent[self.at].map(|at| self.index.node(at))
    }

    /// Its children, in the order of the observation.
    pub fn children(self) -> impl Iterator<Item = Node<'i>> {
        self.index.forest.children(self.at).iter().map(move |&at| self.index.node(at))
    }

    /// Its ancestors, the parent first.
    pub fn ancestors(self) -> impl Iterator<Item = Node<'i>> {
        std::iter::successors(self.parent(), |node| node.parent())
    }

    /// The topmost ancestor that arrived, itself included.
    pub fn top(self) -> Node<'i> {
        self.index.node(self.index.forest.root[self.at])
    }

    /// Whether it is this span or below it.
    pub fn is_at_or_below(self, other: Node<'_>) -> bool {
        self.index.forest.is_at_or_below(self.at, other.at)
    }

    /// Whether it is a root of the services' spans: without a parent, or with one that the platform's front end began the trace
    /// with, or a child of the driver.
    pub fn is_root(self) -> bool {
        let has_none = self.due_parent().is_none_or(|id| !id.is_valid());
        has_none || self.parent().is_some_and(|parent| parent.is_driver())
    }

    /// The parent that must be there: the one that it names; where that is a span of the platform's front end, the caller's in
    /// whose place it stands, if it is there or was sent as sampled.
    pub fn due_parent(self) -> Option<SpanId> {
        let named = self.parent_span_id?;
        if let Some(parent) = self.parent() {
            return Some(parent.span_id);
        }
        if !self.index.is_of_front_end(self.trace_id, named) {
            return Some(named);
        }
        let caller = self.index.announced.context(self.trace_id, named);
        let is_due = |caller: &TraceContext| {
            caller.sampled == Some(true) || self.index.find(self.trace_id, caller.span_id).is_some()
        };
        caller.filter(is_due).map(|caller| caller.span_id)
    }

    /// Whether it names a parent that is not in its trace.
    pub fn misses_parent(self) -> bool {
        let is_due = self.due_parent().is_some_and(|id| id.is_valid());
        is_due && self.trace_id.is_valid() && self.parent().is_none() && !self.is_cut_from_cycle()
    }

    fn is_cut_from_cycle(self) -> bool {
        self.due_parent().and_then(|id| self.index.find(self.trace_id, id)).is_some()
    }

    /// Whether its parent is in another process, by what its exporter says, else by its kind.
    pub fn came_from_outside(self) -> bool {
        let serves = matches!(self.kind, SpanKind::Server | SpanKind::Consumer | SpanKind::Unspecified);
        self.parent_is_remote.unwrap_or(serves)
    }

    /// The service: who sent it, else its `service.name`.
    pub fn service(self) -> Option<&'i str> {
        self.index.services[self.at]
    }

    /// Whether it has no kind because its exporter never sets any.
    pub fn has_unknown_kind(self) -> bool {
        let sets_kinds = || self.index.sets_kinds.get(&self.service()).copied().unwrap_or(true);
        self.kind == SpanKind::Unspecified && !sets_kinds()
    }

    /// Whether it is a further copy of a span that was exported more than once, unchanged.
    pub fn is_copy(self) -> bool {
        let first = self.index.forest.find(self.trace_id, self.span_id);
        first.is_some_and(|first| first != self.at && is_same(self.index.node(first).span(), self.span()))
    }

    /// The protocol whose conventions it follows, for [`crate::conventions::protocol`].
    pub(crate) fn follows(self) -> Option<Protocol> {
        self.index.protocols[self.at]
    }

    /// The protocol that it speaks, for [`crate::outcome::protocol`].
    pub(crate) fn speaks(self) -> Option<Protocol> {
        self.index.spoken[self.at]
    }

    /// Its attributes, then those of its resource: key, value, and the registry's label of that key.
    pub fn labels(self) -> impl Iterator<Item = (&'i str, &'i Value, Option<&'i Label>)> {
        self.index.labels.of(self.at, self.span())
    }

    /// Whether both spans come from one process; `None` where that cannot be known.
    pub fn same_process(self, other: Node<'_>) -> Option<bool> {
        same_process(self.span(), other.span())
    }

    /// The nearest SERVER or CONSUMER span at or above it in the same process: what was being served.
    pub fn serving(self) -> Option<Node<'i>> {
        self.index.serving[self.at].map(|at| self.index.node(at))
    }

    /// The exchange that led to this SERVER span, linked or not.
    pub fn came_by(self) -> Option<Hop<'i>> {
        self.index.matching.hop_of_server(self.at).map(|at| self.index.hop(at))
    }

    /// The exchanges whose headers carry this span's id.
    pub fn sent(self) -> impl Iterator<Item = Hop<'i>> {
        self.index.matching.hops_of_sender(self.at).map(move |at| self.index.hop(at))
    }

    /// The request of the driver it belongs to, as an index into [`spanwise_model::Observation::requests`].
    pub fn request(self) -> Option<usize> {
        self.index.requests.of_span(self.index.forest.root[self.at])
    }

    /// The way from the root: `service name` of each, outermost first, the driver left out; long paths are elided.
    pub fn path(self) -> Vec<String> {
        let step = |node: Node<'_>| format!("{} {}", node.shown_service(), node.name);
        let upward = |from: Node<'i>, most: usize| -> Vec<String> {
            let own = std::iter::once(from).chain(from.ancestors().take_while(|node| node.is_judged()));
            own.take(most).map(step).collect()
        };
        let depth = self.index.forest.depth[self.at] + 1;
        let mut path = if depth <= 2 * HALF {
            upward(self, depth)
        } else {
            let mut path = upward(self, HALF);
            path.push(format!("… {} more …", depth - 2 * HALF));
            path.append(&mut upward(self.index.node(self.index.forest.head[self.at]), HALF));
            path
        };
        path.reverse();
        path
    }
}

impl Deref for Node<'_> {
    type Target = Span;
    fn deref(&self) -> &Span {
        self.span()
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

/// Whether two spans with one id are one span that was exported twice.
pub(super) fn is_same(one: &Span, other: &Span) -> bool {
    let key = |span: &Span| (span.kind, span.start, span.end, span.parent_span_id);
    key(one) == key(other) && one.name == other.name && one.source == other.source
}

/// The service of a span: who sent it, else its `service.name`.
pub(super) fn service_of(span: &Span) -> Option<&str> {
    span.source.as_ref().map(|source| &*source.service).or_else(|| span.service_name())
}

/// Sources decide; captures without any fall back to the resource (Cloud Trace has none: there the name of the service is a
/// label of the span), and where that is empty nothing is known.
fn same_process(one: &Span, other: &Span) -> Option<bool> {
    if let (Some(one), Some(other)) = (&one.source, &other.source) {
        return Some(one == other);
    }
    if one.service_name().zip(other.service_name()).is_some_and(|(one, other)| one != other) {
        return Some(false);
    }
    if one.resource.attributes.is_empty() || other.resource.attributes.is_empty() {
        return None;
    }
    let instance = |span: &Span| span.resource.attribute("service.instance.id").cloned();
    let same = std::sync::Arc::ptr_eq(&one.resource, &other.resource) || one.resource == other.resource;
    // Two providers of one process may say different things of it, and so may two instances.
    same.then_some(true).or_else(|| Some(instance(one)? == instance(other)?))
}

/// For each span the nearest SERVER or CONSUMER span at or above it in the same process.
pub(super) fn serving(spans: &[Span], forest: &Forest) -> Vec<Option<usize>> {
    let mut serving = vec![None; spans.len()];
    for &at in &forest.order {
        serving[at] = match spans[at].kind {
            SpanKind::Server | SpanKind::Consumer => Some(at),
            _ => forest.parent[at]
                .filter(|&parent| same_process(&spans[at], &spans[parent]) != Some(false))
                .and_then(|parent| serving[parent]),
        };
    }
    serving
}
