//! What all rules ask of an observation, computed once: trees, hops, and which request everything belongs to.
//!
//! The engine builds one [`Index`] per observation; rules walk [`Index::nodes`] and [`Index::hops`]. It judges nothing.
//! Building it is near linear in spans and exchanges; nothing recurses.

mod forest;
mod hop;
mod labels;
mod matching;
mod node;
mod requests;

use foldhash::{HashMap, HashMapExt, HashSet};
use spanwise_model::notation::Announced;
use spanwise_model::{Evidence, Observation, Request, Span, SpanId, SpanKind, TraceContext, TraceId};

pub use hop::{ContextHeader, Hop};
pub use node::Node;

use crate::conventions::{Registry, find_protocol};
use crate::outcome;
use crate::semconv::Protocol;
use forest::Forest;
use matching::Matching;

/// An observation with its trees, hops and requests.
pub struct Index<'a> {
    /// What was observed.
    pub observation: &'a Observation,
    forest: Forest,
    /// The spans of services.
    judged: Vec<usize>,
    announced: Announced,
    /// Whether the platform's front end made or announced any span.
    has_front_end: bool,
    matching: Matching,
    requests: requests::Requests,
    /// The nearest SERVER or CONSUMER span at or above each span in the same process.
    serving: Vec<Option<usize>>,
    /// The service of each span.
    services: Vec<Option<&'a str>>,
    /// Whether a service sets span kinds at all; those without a name are taken for one.
    sets_kinds: HashMap<Option<&'a str>, bool>,
    /// Whether the spans of every request must come.
    all_traced: bool,
    registry: &'a Registry,
    labels: labels::Labels<'a>,
    /// Of each span, the protocol whose conventions it follows.
    protocols: Vec<Option<Protocol>>,
    /// The protocol that each span speaks, by what it says itself or by its exchange.
    spoken: Vec<Option<Protocol>>,
}

impl<'a> Index<'a> {
    /// Looks through an observation once. Labels are those of the semantic conventions.
    pub fn new(observation: &'a Observation) -> Index<'a> {
        Index::with_registry(observation, Registry::built_in())
    }

    /// The same with the labels of another registry.
    pub fn with_registry(observation: &'a Observation, registry: &'a Registry) -> Index<'a> {
        let spans = &observation.spans;
        let announced = Announced::of(&observation.wire);
        let forest = Forest::new(spans, &announced);
        let serving = node::serving(spans, &forest);
        let matching = Matching::new(observation, &forest);
        let requests = requests::Requests::new(observation, &forest, &matching, &serving);
        let services: Vec<Option<&str>> = spans.iter().map(node::service_of).collect();
        let mut sets_kinds = HashMap::new();
        for (span, service) in spans.iter().zip(&services).filter(|(span, _)| span.is_judged()) {
            *sets_kinds.entry(*service).or_insert(false) |= span.kind != SpanKind::Unspecified;
        }
        let mut index = Index {
            observation,
            forest,
            judged: (0..spans.len()).filter(|&at| spans[at].is_judged()).collect(),
            has_front_end: !announced.is_empty() || spans.iter().any(Span::is_front_end),
            announced,
            matching,
            requests,
            serving,
            services,
            sets_kinds,
            all_traced: false,
            registry,
            labels: labels::Labels::new(spans, registry),
            protocols: Vec::new(),
            spoken: Vec::new(),
        };
        index.spoken = (0..spans.len()).map(|at| outcome::find_protocol(index.node(at))).collect();
        index.protocols = (0..spans.len()).map(|at| find_protocol(index.node(at))).collect();
        index.all_traced = (0..observation.requests.len()).all(|request| index.is_traced(request));
        index
    }

    /// Whether this kind of evidence was recorded.
    pub fn has(&self, evidence: Evidence) -> bool {
        self.observation.recorded.contains(&evidence)
    }

    /// The labels that there are: those of the conventions, and what the suite adds.
    pub fn registry(&self) -> &Registry {
        self.registry
    }

    /// Every span of a service, in the order of the observation; those of the driver and of the platform's front end are
    /// left out, as they are never judged.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.judged.iter().map(|&at| self.node(at))
    }

    /// Every span, those of the driver and of the platform's front end among them.
    pub fn nodes_with_driver(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.observation.spans.len()).map(|at| self.node(at))
    }

    /// Every exchange the fronts saw, the driver's among them ([`Hop::is_from_driver`]).
    pub fn hops(&self) -> impl Iterator<Item = Hop<'_>> {
        (0..self.observation.wire.len()).map(|at| self.hop(at))
    }

    /// Exchanges between services: what callers sent here is theirs to answer for.
    pub fn inner_hops(&self) -> impl Iterator<Item = Hop<'_>> {
        self.hops().filter(|hop| !hop.is_from_driver())
    }

    /// What the driver sent.
    pub fn requests(&self) -> impl Iterator<Item = (usize, &Request)> {
        self.observation.requests.iter().enumerate()
    }

    /// A span by its ids.
    pub fn find(&self, trace: TraceId, span: SpanId) -> Option<Node<'_>> {
        self.forest.find(trace, span).map(|at| self.node(at))
    }

    /// A span by its span id alone, in whatever trace it is.
    pub fn find_in_any_trace(&self, span: SpanId) -> Option<Node<'_>> {
        self.forest.find_in_any_trace(&self.observation.spans, span).map(|at| self.node(at))
    }

    /// Pairs of spans that share trace and span id.
    pub fn duplicates(&self) -> impl Iterator<Item = (Node<'_>, Node<'_>)> {
        self.forest.duplicates.iter().map(|&(first, second)| (self.node(first), self.node(second)))
    }

    /// Spans that are their own ancestors, one list a cycle.
    pub fn cycles(&self) -> impl Iterator<Item = Vec<Node<'_>>> {
        self.forest.cycles.iter().map(|cycle| cycle.iter().map(|&at| self.node(at)).collect())
    }

    /// Spans by trace in the order in which the traces first occur, spans without a valid trace id left out.
    pub fn traces(&self) -> Vec<(TraceId, Vec<Node<'_>>)> {
        let mut places = HashMap::new();
        let mut traces: Vec<(TraceId, Vec<Node<'_>>)> = Vec::new();
        for node in self.nodes_with_driver().filter(|node| node.trace_id.is_valid()) {
            let place = *places.entry(node.trace_id).or_insert_with(|| {
                traces.push((node.trace_id, Vec::new()));
                traces.len() - 1
            });
            traces[place].1.push(node);
        }
        traces
    }

    /// The exchanges to a service whose headers name this span as the parent.
    pub fn hops_that_sent(
        &self,
        service: &str,
        trace: TraceId,
        span: SpanId,
    ) -> impl Iterator<Item = Hop<'_>> {
        self.matching.hops_by_context(trace, span).filter_map(move |at| {
            let hop = self.hop(at);
            (&*hop.tap().to.service == service).then_some(hop)
        })
    }

    /// Whether any span of this request came, and was recorded by this service where one is named.
    pub fn has_spans(&self, request: usize, service: Option<&str>) -> bool {
        self.requests.has_spans(request, service)
    }

    /// Whether a request's spans must come: it arrived with a sampled context, or without any and spans came.
    pub fn is_traced(&self, request: usize) -> bool {
        match self.received(request) {
            Some(context) => context.sampled == Some(true),
            None => self.requests.has_spans(request, None),
        }
    }

    /// The context with which a request reached its service: what the platform's front end announced, else what was sent.
    pub fn received(&self, request: usize) -> Option<TraceContext> {
        match self.entry(request).filter(|hop| hop.tap().announced.is_some()) {
            Some(hop) => hop.context(),
            None => self.observation.requests.get(request)?.context,
        }
    }

    /// Whether the platform's front end decided that a request is not recorded, although its caller did not say so.
    pub fn is_turned_off(&self, request: usize) -> bool {
        let sent = self.observation.requests.get(request).and_then(|request| request.context);
        let is_asked_for = sent.is_none_or(|context| context.sampled == Some(true));
        let is_announced = self.entry(request).is_some_and(|hop| hop.tap().announced.is_some());
        let received = self.received(request).and_then(|context| context.sampled);
        is_announced && is_asked_for && received == Some(false)
    }

    /// Whether a span is one that the platform's front end made or announced.
    pub fn is_of_front_end(&self, trace: TraceId, span: SpanId) -> bool {
        self.has_front_end
            && match self.find(trace, span) {
                Some(node) => node.is_front_end(),
                None => self.announced.contains(trace, span),
            }
    }

    /// Whether an exporter sets kinds at all; where it never does, rules about kinds are not observed.
    pub fn sets_kinds(&self, service: &str) -> bool {
        self.sets_kinds.get(&Some(service)).copied().unwrap_or(true)
    }

    /// Whether nobody sent requests: the observation is a capture, or what a run could not give to any of them.
    pub fn is_capture(&self) -> bool {
        self.observation.requests.is_empty()
    }

    /// The trace that findings about many spans alike are kept apart by: in a capture every trace is looked at by
    /// itself, in a run the permutation is.
    pub fn apart(&self, node: Node<'_>) -> Option<TraceId> {
        self.is_capture().then_some(node.trace_id)
    }

    /// The exchange of the driver that was a request.
    pub fn entry(&self, request: usize) -> Option<Hop<'_>> {
        self.requests.entry(request).map(|at| self.hop(at))
    }

    /// In a capture, the spans whose parent is taken for a caller outside of it: of each trace those of the service that
    /// began first, and others with a parent of theirs, if they came from outside and nothing in the capture is their root.
    pub fn called_from_outside(&self) -> Vec<Node<'_>> {
        let mut called = Vec::new();
        let traces = if self.is_capture() { self.traces() } else { Vec::new() };
        // Clocks differ, so a root is above all others wherever it stands in time.
        for (_, nodes) in traces.iter().filter(|(_, nodes)| !nodes.iter().any(|node| node.is_root())) {
            let tops = || nodes.iter().copied().filter(|node| node.misses_parent());
            let Some(first) = tops().min_by_key(|node| node.start) else { continue };
            // Of services without a name, only the first span is known to be the entry.
            let is_entry = |node: &Node<'_>| {
                *node == first || (node.service().is_some() && node.service() == first.service())
            };
            let entries = tops().filter(is_entry).filter(|node| node.came_from_outside());
            // Who called one service may have called another: a browser, a job.
            let callers: HashSet<_> = entries.filter_map(|node| node.parent_span_id).collect();
            let is_called = |node: &Node<'_>| node.parent_span_id.is_some_and(|id| callers.contains(&id));
            called.extend(tops().filter(is_called).filter(|node| node.came_from_outside()));
        }
        called
    }

    /// Whether any span of a service came at all.
    pub fn has_any_span(&self) -> bool {
        self.nodes().next().is_some()
    }

    /// For each span the nearest span at or above it that is wanted.
    pub(crate) fn nearest(&self, is_wanted: impl Fn(Node<'_>) -> bool) -> Vec<Option<usize>> {
        let mut nearest = vec![None; self.observation.spans.len()];
        for &at in &self.forest.order {
            let above = self.forest.parent[at].and_then(|parent| nearest[parent]);
            nearest[at] = if is_wanted(self.node(at)) { Some(at) } else { above };
        }
        nearest
    }

    pub(crate) fn node(&self, at: usize) -> Node<'_> {
        Node { index: self, at }
    }

    pub(crate) fn hop(&self, at: usize) -> Hop<'_> {
        Hop { index: self, at }
    }
}
