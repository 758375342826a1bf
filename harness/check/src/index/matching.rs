//! Which SERVER span each exchange led to, and which span sent it.
//!
//! Built once by [`super::Index::new`]. A SERVER span belongs to the exchange whose header named its parent; exchanges
//! that share a header are told apart by path, time and answer, then by their order. What is left over is paired by trace,
//! time and path, and counts as not linked.

use foldhash::{HashMap, HashMapExt, HashSet};
use spanwise_model::{Observation, Span, SpanId, SpanKind, TraceContext, TraceId, WireTap};

use super::forest::Forest;
use super::node;
use crate::semconv;

/// The spans of every exchange; positions are those of `Observation::wire` and `Observation::spans`.
pub(super) struct Matching {
    sender: Vec<Option<usize>>,
    server: Vec<Option<usize>>,
    unlinked: Vec<Option<usize>>,
    surplus: HashMap<usize, Vec<usize>>,
    hop_of_server: HashMap<usize, usize>,
    hops_of_sender: HashMap<usize, Vec<usize>>,
    hops_by_context: HashMap<(TraceId, SpanId), Vec<usize>>,
}

/// How far apart the clocks of a front and a service on one machine may be, in nanoseconds.
const SLACK: u64 = 5_000_000;

/// How many exchanges are tried for one span.
const TRIES: usize = 64;

impl Matching {
    pub(super) fn new(observation: &Observation, forest: &Forest) -> Matching {
        let hops = observation.wire.len();
        let mut matching = Matching {
            sender: vec![None; hops],
            server: vec![None; hops],
            unlinked: vec![None; hops],
            surplus: HashMap::new(),
            hop_of_server: HashMap::new(),
            hops_of_sender: HashMap::new(),
            hops_by_context: HashMap::new(),
        };
        let contexts: Vec<Option<TraceContext>> =
            observation.wire.iter().map(|tap| tap.received(&observation.settings)).collect();
        for (at, tap) in observation.wire.iter().enumerate() {
            if let Some(context) = tap.announced {
                matching.hops_by_context.entry((context.trace_id, context.span_id)).or_default().push(at);
            }
            let Some(context) = tap.of_sender(&observation.settings) else { continue };
            matching.hops_by_context.entry((context.trace_id, context.span_id)).or_default().push(at);
            matching.sender[at] = forest.find(context.trace_id, context.span_id);
            if let Some(sender) = matching.sender[at] {
                matching.hops_of_sender.entry(sender).or_default().push(at);
            }
        }
        let mut open = matching.pair_children(observation, forest, &contexts);
        matching.pair_descendants(observation, forest, &contexts, &mut open);
        matching.pair_the_rest(observation, forest, &contexts, open);
        matching
    }

    pub(super) fn sender(&self, hop: usize) -> Option<usize> {
        self.sender[hop]
    }

    pub(super) fn server(&self, hop: usize) -> Option<usize> {
        self.server[hop]
    }

    pub(super) fn unlinked(&self, hop: usize) -> Option<usize> {
        self.unlinked[hop]
    }

    pub(super) fn surplus(&self, hop: usize) -> impl Iterator<Item = usize> {
        self.surplus.get(&hop).into_iter().flatten().copied()
    }

    pub(super) fn hop_of_server(&self, span: usize) -> Option<usize> {
        self.hop_of_server.get(&span).copied()
    }

    pub(super) fn hops_of_sender(&self, span: usize) -> impl Iterator<Item = usize> {
        self.hops_of_sender.get(&span).into_iter().flatten().copied()
    }

    pub(super) fn hops_by_context(&self, trace: TraceId, span: SpanId) -> impl Iterator<Item = usize> {
        self.hops_by_context.get(&(trace, span)).into_iter().flatten().copied()
    }

    /// Pairs SERVER spans with the exchanges whose header named their parent; returns those left over, with the
    /// exchange whose parent they share where there is one.
    fn pair_children(
        &mut self,
        observation: &Observation,
        forest: &Forest,
        contexts: &[Option<TraceContext>],
    ) -> Vec<(usize, Option<usize>)> {
        type Key<'k> = (&'k str, TraceId, SpanId);
        let mut waiting: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
        for (at, tap) in observation.wire.iter().enumerate() {
            // Whoever passes over the front end's span still continues the call.
            let passed = tap.announced.and_then(|_| tap.context());
            for context in contexts[at].into_iter().chain(passed) {
                let key = (&*tap.to.service, context.trace_id, context.span_id);
                waiting.entry(key).or_default().push(at);
            }
        }
        let key = |at: usize| {
            let span = &observation.spans[at];
            Some((node::service_of(span)?, span.trace_id, span.parent_span_id?))
        };
        let last = |at: usize| waiting.get(&key(at)?)?.last().copied();
        let mut open: Vec<_> = servers(observation, forest).into_iter().map(|at| (at, last(at))).collect();
        // A call that the service did not answer may have no span, so those that it did come first.
        for (fitting, answered) in [(true, true), (true, false), (false, true), (false, false)] {
            open.retain(|&(at, _)| {
                let Some(hops) = key(at).and_then(|key| waiting.get_mut(&key)) else { return true };
                let may_be = |&hop: &usize| {
                    let (tap, span) = (&observation.wire[hop], &observation.spans[at]);
                    let is_answered = tap.status.is_some() && !tap.answered_by_front;
                    let is_free = self.server[hop].is_none();
                    is_free
                        && (!fitting || (same_path(tap, span) && same_time(tap, span)))
                        && (!answered || is_answered)
                };
                let place = hops.iter().take(TRIES).position(may_be);
                if let Some(place) = place {
                    self.link(hops.remove(place), at);
                }
                place.is_none()
            });
        }
        open
    }

    /// Pairs SERVER spans that hang below a sender by other spans.
    fn pair_descendants(
        &mut self,
        observation: &Observation,
        forest: &Forest,
        contexts: &[Option<TraceContext>],
        open: &mut Vec<(usize, Option<usize>)>,
    ) {
        let spans = &observation.spans;
        let mut nearest: Vec<Option<usize>> = vec![None; spans.len()];
        for &at in &forest.order {
            let above = forest.parent[at].and_then(|parent| {
                if spans[parent].kind == SpanKind::Server { None } else { nearest[parent] }
            });
            nearest[at] = if self.hops_of_sender.contains_key(&at) { Some(at) } else { above };
        }
        open.retain(|&(at, beside)| {
            let sender = forest.parent[at].and_then(|parent| nearest[parent]);
            let hop = sender.filter(|_| beside.is_none()).and_then(|sender| {
                self.hops_of_sender(sender).find(|&hop| {
                    let to = &*observation.wire[hop].to.service;
                    let is_read = contexts[hop].is_some();
                    self.server[hop].is_none() && is_read && node::service_of(&spans[at]) == Some(to)
                })
            });
            if let Some(hop) = hop {
                self.link(hop, at);
            }
            hop.is_none()
        });
    }

    /// Pairs SERVER spans that no header led to with exchanges that led to no span: first within a trace, then by time.
    fn pair_the_rest(
        &mut self,
        observation: &Observation,
        forest: &Forest,
        contexts: &[Option<TraceContext>],
        open: Vec<(usize, Option<usize>)>,
    ) {
        let spans = &observation.spans;
        let mut waiting: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, tap) in observation.wire.iter().enumerate() {
            let untraced = tap.is_untraced(&observation.settings);
            if self.server[at].is_none() && !tap.answered_by_front && !untraced {
                waiting.entry(&tap.to.service).or_default().push(at);
            }
        }
        let arrives = |at: usize| {
            // Below another span of its own process it was not made by a call.
            forest.parent[at].is_none_or(|parent| {
                !spans[parent].is_judged() || node::service_of(&spans[parent]) != node::service_of(&spans[at])
            })
        };
        let mut rest = open;
        // Clocks of other machines may be wrong: what time forbids is tried last.
        for (same_trace, timed) in [(true, true), (false, true), (true, false), (false, false)] {
            rest.retain(|&(at, _)| {
                let Some(hops) = node::service_of(&spans[at]).and_then(|service| waiting.get_mut(service))
                else {
                    return true;
                };
                let fits = |&hop: &usize| {
                    let in_trace = contexts[hop].is_some_and(|c| c.trace_id == spans[at].trace_id);
                    let (tap, span) = (&observation.wire[hop], &spans[at]);
                    in_trace == same_trace && same_path(tap, span) && (!timed || same_time(tap, span))
                };
                let place = if arrives(at) { hops.iter().take(TRIES).position(fits) } else { None };
                if let Some(place) = place {
                    let hop = hops.remove(place);
                    self.unlinked[hop] = Some(at);
                    self.hop_of_server.insert(at, hop);
                }
                place.is_none()
            });
        }
        for (at, beside) in rest {
            if let Some(hop) = beside {
                self.surplus.entry(hop).or_default().push(at);
            }
        }
    }

    fn link(&mut self, hop: usize, server: usize) {
        self.server[hop] = Some(server);
        self.hop_of_server.insert(server, hop);
    }
}

/// The SERVER spans of services, in the order in which they began.
fn servers(observation: &Observation, forest: &Forest) -> Vec<usize> {
    let spans = &observation.spans;
    let is_server = |&at: &usize| spans[at].kind == SpanKind::Server && spans[at].is_judged();
    // A copy of a span is no span of its own.
    let is_copy = |&(first, second): &(usize, usize)| node::is_same(&spans[first], &spans[second]);
    let copies: HashSet<usize> =
        forest.duplicates.iter().filter(|pair| is_copy(pair)).map(|pair| pair.1).collect();
    let mut servers: Vec<usize> =
        (0..spans.len()).filter(is_server).filter(|at| !copies.contains(at)).collect();
    servers.sort_by_key(|&at| spans[at].start);
    servers
}

/// Whether an exchange can have led to a span, by what is known of their times.
fn same_time(tap: &WireTap, span: &Span) -> bool {
    let (begun, ended) = (tap.stamps.begun, tap.stamps.ended);
    let after = begun == 0 || span.start == 0 || span.start.saturating_add(SLACK) >= begun;
    let before = ended == 0 || span.start == 0 || span.start <= ended.saturating_add(SLACK);
    after && before
}

/// Whether an exchange can have led to a span, by what is known of the called method or path.
fn same_path(tap: &WireTap, span: &Span) -> bool {
    let path = tap.path.split('?').next().unwrap_or_default();
    match semconv::rpc_method(span) {
        Some(method) => path.trim_start_matches('/') == method,
        None => semconv::url_path(span).is_none_or(|known| known == path),
    }
}
