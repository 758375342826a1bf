//! Traces that a service began by itself although its request named one. Such a request will never have the span that its context
//! lets expect, and what stands in its place has come: nobody needs to wait for a deadline to say so.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use spanwise_collect::{SpanRef, Store};
use spanwise_model::{End, Settings, SpanId, SpanKind, TraceContext, TraceId, WireTap};

use super::instances::Instances;

/// By the span that a request named to a service: the trace that the service began instead.
pub(super) type Unlinked = HashMap<SpanId, TraceId>;

/// What was found last, and of how much: many permutations of a lane ask at once.
#[derive(Default)]
pub(super) struct LastFound(Mutex<(Seen, Arc<Unlinked>)>);

/// How much has come: arrivals of exports, and of news of exchanges.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    arrivals: u64,
    news: u64,
}

impl LastFound {
    /// The traces that services of a lane began by themselves, as far as it is known by now.
    pub(super) fn of(&self, instances: &Instances, settings: &Settings) -> Arc<Unlinked> {
        let (store, taps) = (instances.store(), instances.taps());
        let seen = Seen { arrivals: *store.changed().borrow(), news: *taps.subscribe().borrow() };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.0 != seen {
            let past = instances.past();
            let traces = store.traces().into_iter().filter(|trace| !past.contains(trace)).collect();
            *last = (seen, Arc::new(unlinked(store, traces, &taps.all(), settings)));
        }
        last.1.clone()
    }
}

/// A request that was answered and has no SERVER span below what it named.
struct Waiting {
    named: SpanId,
    begun: u64,
    ended: u64,
}

/// A SERVER span without a parent.
struct Root {
    trace: TraceId,
    start: u64,
}

/// Pairs requests that lack their span with root SERVER spans of the called service that began while they were under way.
fn unlinked(store: &Store, traces: Vec<TraceId>, taps: &[WireTap], settings: &Settings) -> Unlinked {
    let mut waiting: HashMap<&str, Vec<Waiting>> = HashMap::new();
    for tap in taps.iter().filter(|tap| tap.end != End::Open && !tap.answered_by_front) {
        let to = tap.to.service.as_ref();
        let is_due = |context: &TraceContext| context.sampled == Some(true) && !tap.is_untraced(settings);
        let context = tap.received(settings).filter(is_due);
        let Some(context) = context else { continue };
        let is_below = |span: &SpanRef| {
            span.parent == Some(context.span_id)
                && span.source.as_ref().is_some_and(|source| *source.service == *to)
        };
        if !store.ids_of(context.trace_id).iter().any(is_below) {
            let (begun, ended) = (tap.stamps.begun, tap.stamps.ended);
            waiting.entry(to).or_default().push(Waiting { named: context.span_id, begun, ended });
        }
    }
    let is_root = |parent: Option<SpanId>, kind| parent.is_none() && kind == SpanKind::Server;
    let mut roots: HashMap<String, Vec<Root>> = HashMap::new();
    if !waiting.is_empty() {
        for trace in traces {
            let begins = store.ids_of(trace).iter().any(|head| is_root(head.parent, head.kind));
            let spans = if begins { store.spans_of(trace).0 } else { Vec::new() };
            for span in spans.into_iter().filter(|span| is_root(span.parent_span_id, span.kind)) {
                if let Some(source) = span.source {
                    let root = Root { trace, start: span.start };
                    roots.entry(source.service.to_string()).or_default().push(root);
                }
            }
        }
    }
    let mut found = Unlinked::new();
    for (service, waiting) in waiting {
        pair(waiting, roots.remove(service).unwrap_or_default(), &mut found);
    }
    found
}

/// Gives each request one root that began while it was under way: to the one that ended first the first of them, so that as many
/// as can be have one. Times are compared in milliseconds, because some SDKs know no more.
fn pair(mut waiting: Vec<Waiting>, mut roots: Vec<Root>, found: &mut Unlinked) {
    const MILLI: u64 = 1_000_000;
    waiting.sort_by_key(|request| request.ended);
    roots.sort_by_key(|root| root.start);
    let mut taken = HashSet::new();
    for request in waiting {
        let under_way = request.begun / MILLI..=request.ended / MILLI;
        let began =
            |(at, root): &(usize, &Root)| !taken.contains(at) && under_way.contains(&(root.start / MILLI));
        if let Some((at, root)) = roots.iter().enumerate().find(began) {
            found.insert(request.named, root.trace);
            taken.insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Compares which of the requests, from and to in milliseconds, have one of the roots.
    #[track_caller]
    fn check(requests: &[(u64, u64)], roots: &[u64], expected: &[Option<usize>]) {
        let id = |at: usize| SpanId([at as u8 + 1; 8]);
        let trace = |at: usize| TraceId([at as u8 + 1; 16]);
        let waiting = requests.iter().enumerate().map(|(at, (begun, ended))| Waiting {
            named: id(at),
            begun: begun * MS + 900_000,
            ended: ended * MS + 100_000,
        });
        let began = roots.iter().enumerate().map(|(at, start)| Root { trace: trace(at), start: start * MS });
        let mut found = Unlinked::new();
        pair(waiting.collect(), began.collect(), &mut found);
        let seen: Vec<Option<TraceId>> = (0..requests.len()).map(|at| found.get(&id(at)).copied()).collect();
        let expected: Vec<Option<TraceId>> = expected.iter().map(|root| root.map(trace)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_request_has_a_root_that_began_while_it_was_under_way() {
        check(&[(10, 20)], &[12], &[Some(0)]);
        // Cut to milliseconds, it began before the request did.
        check(&[(10, 20)], &[10], &[Some(0)]);
        check(&[(10, 20)], &[9], &[None]);
        check(&[(10, 20)], &[21], &[None]);
    }

    #[test]
    fn one_root_serves_one_request() {
        check(&[(10, 20), (11, 19)], &[12], &[None, Some(0)]);
        check(&[(10, 20), (11, 19)], &[12, 13], &[Some(1), Some(0)]);
        check(&[(10, 30), (10, 12)], &[11, 25], &[Some(1), Some(0)]);
    }
}
