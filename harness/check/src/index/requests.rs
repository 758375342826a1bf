//! Which request of the driver each exchange and each trace of spans belongs to.
//!
//! Built once by [`super::Index::new`], in the order in which exchanges began, so that a call is placed after the call
//! during which it was made.

use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use spanwise_model::{Observation, SpanId, TraceId, WireTap};

use super::forest::Forest;
use super::matching::Matching;
use super::node;

/// Requests by exchange and by root span.
pub(super) struct Requests {
    of_hop: Vec<Option<usize>>,
    inbound: Vec<Option<usize>>,
    /// Whether several exchanges may be the one during which a call was made.
    ambiguous: Vec<bool>,
    /// The exchange of the driver, by request.
    entries: HashMap<usize, usize>,
    /// By the topmost span of a tree.
    of_root: HashMap<usize, usize>,
    with_spans: HashSet<usize>,
    with_spans_of: HashSet<(usize, String)>,
}

impl Requests {
    pub(super) fn new(
        observation: &Observation,
        forest: &Forest,
        matching: &Matching,
        serving: &[Option<usize>],
    ) -> Requests {
        let hops = observation.wire.len();
        let mut requests = Requests {
            of_hop: vec![None; hops],
            inbound: vec![None; hops],
            ambiguous: vec![false; hops],
            entries: HashMap::new(),
            of_root: HashMap::new(),
            with_spans: HashSet::new(),
            with_spans_of: HashSet::new(),
        };
        for (at, request) in observation.requests.iter().enumerate() {
            if let Some(span) = forest.find(request.trace_id, request.span_id) {
                requests.of_root.entry(forest.root[span]).or_insert(at);
            }
        }
        let inbound = Inbound::new(observation);
        let mut entries = Entries::new(observation);
        let first = entries_begun(observation);
        for (at, tap) in observation.wire.iter().enumerate() {
            if tap.from.as_ref().is_some_and(|from| from.is_driver()) {
                requests.of_hop[at] = entries.request(tap);
                if let Some(request) = requests.of_hop[at] {
                    requests.entries.entry(request).or_insert(at);
                }
            } else {
                let sender = matching.sender(at).filter(|&sender| observation.spans[sender].is_judged());
                let by_span = sender.and_then(|s| serving[s]).and_then(|s| matching.hop_of_server(s));
                let during = match by_span {
                    Some(hop) => During::One(hop),
                    None => inbound.of(observation, at),
                };
                requests.ambiguous[at] = during == During::Several;
                requests.inbound[at] = match during {
                    During::One(hop) => Some(hop).filter(|&hop| hop != at),
                    During::Several | During::None => None,
                };
                let by_root = sender.and_then(|sender| requests.of_root.get(&forest.root[sender])).copied();
                requests.of_hop[at] = by_root
                    .or_else(|| requests.inbound[at].and_then(|hop| requests.of_hop[hop]))
                    .or_else(|| (observation.requests.len() == 1 && !is_before(tap, first)).then_some(0));
            }
            if let (Some(request), Some(server)) =
                (requests.of_hop[at], matching.server(at).or(matching.unlinked(at)))
            {
                requests.of_root.entry(forest.root[server]).or_insert(request);
            }
        }
        requests.count_spans(observation, forest);
        requests
    }

    pub(super) fn of_hop(&self, hop: usize) -> Option<usize> {
        self.of_hop[hop]
    }

    pub(super) fn inbound(&self, hop: usize) -> Option<usize> {
        self.inbound[hop]
    }

    pub(super) fn is_ambiguous(&self, hop: usize) -> bool {
        self.ambiguous[hop]
    }

    pub(super) fn entry(&self, request: usize) -> Option<usize> {
        self.entries.get(&request).copied()
    }

    /// By the topmost span of the tree.
    pub(super) fn of_span(&self, root: usize) -> Option<usize> {
        self.of_root.get(&root).copied()
    }

    pub(super) fn has_spans(&self, request: usize, service: Option<&str>) -> bool {
        match service {
            None => self.with_spans.contains(&request),
            Some(service) => self.with_spans_of.contains(&(request, service.to_owned())),
        }
    }

    /// A span counts for the request of its tree, else for the one that was sent with its trace.
    fn count_spans(&mut self, observation: &Observation, forest: &Forest) {
        let by_trace: HashMap<TraceId, usize> = observation
            .requests
            .iter()
            .enumerate()
            .filter_map(|(at, request)| Some((request.context?.trace_id, at)))
            .collect();
        for (at, span) in observation.spans.iter().enumerate().filter(|(_, span)| span.is_judged()) {
            let by_root = self.of_root.get(&forest.root[at]);
            let Some(&request) = by_root.or_else(|| by_trace.get(&span.trace_id)) else { continue };
            self.with_spans.insert(request);
            if let Some(service) = node::service_of(span) {
                self.with_spans_of.insert((request, service.to_owned()));
            }
        }
    }
}

/// Which request an exchange of the driver was.
struct Entries<'a> {
    by_context: HashMap<(TraceId, SpanId), usize>,
    /// Requests by the called service, those without a context first, each in the reverse of its order.
    by_service: HashMap<&'a str, Vec<usize>>,
    met: HashSet<usize>,
    /// The only request, where it is one.
    only: Option<usize>,
}

impl<'a> Entries<'a> {
    fn new(observation: &'a Observation) -> Entries<'a> {
        let mut by_context = HashMap::new();
        let mut by_service: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, request) in observation.requests.iter().enumerate() {
            by_context.insert((request.trace_id, request.span_id), at);
            if let Some(context) = request.context {
                by_context.insert((context.trace_id, context.span_id), at);
            }
            by_service.entry(&request.to.service).or_default().push(at);
        }
        for of_service in by_service.values_mut() {
            of_service.reverse();
            of_service.sort_by_key(|&at| observation.requests[at].context.is_none());
        }
        let only = (observation.requests.len() == 1).then_some(0);
        Entries { by_context, by_service, met: HashSet::new(), only }
    }

    /// By a header of the exchange; where none can be read, the next request that was not met yet. A single one may be a command,
    /// which calls as often as it likes.
    fn request(&mut self, tap: &WireTap) -> Option<usize> {
        let known = tap.contexts().find_map(|c| self.by_context.get(&(c.trace_id, c.span_id)));
        let request = match known {
            Some(request) => Some(*request),
            None => {
                let rest = self.by_service.get_mut(&*tap.to.service);
                let next = rest.and_then(|rest| {
                    std::iter::from_fn(|| rest.pop()).find(|request| !self.met.contains(request))
                });
                next.or(self.only)
            }
        };
        self.met.extend(request);
        request
    }
}

/// When the driver first called. What services call before it, to start up, is part of no request.
fn entries_begun(observation: &Observation) -> u64 {
    let entries =
        observation.wire.iter().filter(|tap| tap.from.as_ref().is_some_and(|from| from.is_driver()));
    entries.map(|tap| tap.stamps.begun).min().unwrap_or(0)
}

/// Whether an exchange is known to have begun before a time.
fn is_before(tap: &WireTap, time: u64) -> bool {
    tap.stamps.begun != 0 && tap.stamps.begun < time
}

/// How many exchanges that began before a call are tried as the one during which it was made.
const NEAR: usize = 256;

/// Exchanges by the service they came to, to find the one during which another was made.
struct Inbound<'a> {
    by_service: HashMap<(&'a str, u32), Vec<usize>>,
    by_trace: HashMap<(&'a str, TraceId), Vec<usize>>,
}

impl<'a> Inbound<'a> {
    fn new(observation: &'a Observation) -> Inbound<'a> {
        let mut inbound = Inbound { by_service: HashMap::new(), by_trace: HashMap::new() };
        for (at, tap) in observation.wire.iter().enumerate() {
            inbound.by_service.entry((&tap.to.service, tap.to.instance)).or_default().push(at);
            if let Some(context) = tap.received(&observation.settings).or_else(|| tap.context()) {
                inbound.by_trace.entry((&tap.to.service, context.trace_id)).or_default().push(at);
            }
        }
        for of_service in inbound.by_service.values_mut() {
            of_service.sort_by_key(|&at| observation.wire[at].stamps.begun);
        }
        inbound
    }

    /// The only exchange of the caller in the same trace, else the only one that was open at the time.
    fn of(&self, observation: &Observation, at: usize) -> During {
        let tap = &observation.wire[at];
        let Some(from) = tap.from.as_ref() else { return During::None };
        let trace = tap.context().map(|context| context.trace_id);
        let in_trace = trace.and_then(|trace| self.by_trace.get(&(&*from.service, trace)));
        if let Some([only]) = in_trace.map(|hops| hops.as_slice()) {
            return During::One(*only);
        }
        let Some(of_caller) = self.by_service.get(&(&*from.service, from.instance)) else {
            return During::None;
        };
        let begun = |hop: usize| observation.wire[hop].stamps.begun;
        let before = of_caller.partition_point(|&hop| begun(hop) <= tap.stamps.begun);
        let mut open = of_caller[before.saturating_sub(NEAR)..before].iter().copied().filter(|&hop| {
            let ended = observation.wire[hop].stamps.ended;
            hop != at && (ended == 0 || ended >= tap.stamps.begun)
        });
        match (open.next(), open.next(), of_caller.as_slice()) {
            (Some(only), None, _) => During::One(only),
            (Some(_), Some(_), _) => During::Several,
            // Work that a request started may call after the answer.
            (None, _, [only]) if !is_before(tap, begun(*only)) => During::One(*only),
            (None, ..) => During::None,
        }
    }
}

/// The exchange that a caller was serving when it made a call.
#[derive(Clone, Copy, PartialEq)]
enum During {
    One(usize),
    Several,
    None,
}
