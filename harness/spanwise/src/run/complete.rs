//! What must still come of a permutation, as the taps show it.
//!
//! A sampled context with span id X that was seen going to service S lets expect a SERVER span of S with parent X, and X
//! itself from its sender. In a lane of one, where everything is the permutation's, an exchange without a context lets
//! expect a root SERVER span of its callee. What the suite itself expects comes from `promised`. Used while waiting (services that do not flush when ended), and afterwards to
//! tell which permutations miss something.

use std::collections::{HashMap, HashSet};
use std::fmt;

use spanwise_collect::{SpanRef, Store};
use spanwise_front::TapLog;
use spanwise_model::{
    End, Observation, Platform, Settings, Source, Span, SpanId, SpanKind, TraceContext, TraceId, WireTap,
};
use spanwise_scenario::Permutation;
use tokio::time::Instant;

use super::instances::Instances;
use super::observe::Mark;
use super::promised::promised;
use super::send::Sent;
use super::unlinked::Unlinked;
use super::world::World;

/// What is known of a span for this purpose: trace, own id, parent, and the service that sent it.
pub(super) struct Known {
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    pub(super) kind: SpanKind,
    pub(super) service: String,
}

/// Something that the taps let expect and that has not come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The end of an exchange.
    End { from: String, to: String },
    /// The SERVER span of a call: below the span that its header named, or a root where there was no header.
    Server { from: String, to: String, parent: Option<SpanId> },
    /// The span that sent a call.
    Sender { from: String, to: String, span: SpanId },
    /// The first span of a trace.
    First,
    /// The parent of a span, by the span's name.
    Parent { of: String },
    /// A span that the suite expects.
    Expected { service: String, kind: SpanKind },
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::End { from, to } => write!(f, "the end of a call from {from} to {to}"),
            Awaited::Server { from, to, parent: Some(parent) } => {
                write!(f, "a span of {to} below {parent}, for a call from {from}")
            }
            Awaited::Server { from, to, parent: None } => {
                write!(f, "a SERVER span of {to} without a parent, for a call from {from}")
            }
            Awaited::Sender { from, to, span } => write!(f, "the span {span} of {from}, which called {to}"),
            Awaited::First => f.write_str("any span of the trace"),
            Awaited::Parent { of } => write!(f, "the parent of {of:?}"),
            Awaited::Expected { service, kind } => {
                write!(f, "a {} span of {service}, which the suite expects", kind.as_str())
            }
        }
    }
}

/// Waits until all that the taps let expect has come; what had not when the deadline passed.
///
/// A permutation that runs alone waits for whatever the taps and traces show that it claims; another one for the traces that
/// its requests named.
pub(super) async fn wait(
    world: &World,
    instances: &Instances,
    permutation: &Permutation,
    sent: &Sent,
    claim: Option<&Mark>,
) -> Vec<Awaited> {
    wait_for(world, instances, permutation, sent, claim, |_| Vec::new()).await
}

/// As [`wait`], and for what else is to be expected of the spans that have come.
pub(super) async fn wait_for(
    world: &World,
    instances: &Instances,
    permutation: &Permutation,
    sent: &Sent,
    claim: Option<&Mark>,
    more: impl Fn(&Store) -> Vec<Awaited>,
) -> Vec<Awaited> {
    let deadline = Instant::now() + world.options.deadline;
    let look = |store: &Store, unlinked: &Unlinked| {
        let past = instances.past();
        let mut traces = sent.traces.clone();
        let claimed = claim.into_iter().flat_map(|mark| mark.traces(store));
        traces.extend(claimed.filter(|trace| !sent.traces.contains(trace) && !past.contains(trace)));
        let taps = match claim {
            Some(mark) => mark.taps(instances.taps()),
            None => {
                if !unlinked.is_empty() {
                    add_begun(instances.taps(), &mut traces, &permutation.settings, unlinked);
                }
                instances.taps().taps_of_traces(&traces)
            }
        };
        let known: Vec<Known> =
            traces.iter().flat_map(|trace| store.ids_of(*trace)).filter_map(Known::received).collect();
        let open = taps.iter().filter(|tap| tap.end == End::Open);
        let mut awaited: Vec<Awaited> =
            open.map(|tap| Awaited::End { from: caller(tap), to: tap.to.service.to_string() }).collect();
        awaited.extend(missing(&taps, &known, &permutation.settings, claim.is_some(), unlinked));
        // The front end of a platform decides what is recorded, and only taps know.
        if permutation.settings.platform == Platform::Plain {
            awaited.extend(promised(&permutation.settings.expected, &sent.requests, &known));
        }
        awaited.extend(more(store));
        awaited
    };
    let awaited = |store: &Store| {
        let awaited = look(store, &Unlinked::new());
        // What a service lost the context of will not come, though it has what stands for it.
        let is_server = |one: &Awaited| matches!(one, Awaited::Server { parent: Some(_), .. });
        if !awaited.iter().any(is_server) {
            return awaited;
        }
        look(store, &instances.unlinked(&permutation.settings))
    };
    let mut news = instances.taps().subscribe();
    loop {
        news.borrow_and_update();
        let is_complete = |store: &Store| awaited(store).is_empty().then_some(());
        let arrived = instances.store().wait_until(deadline, is_complete);
        tokio::select! {
            done = arrived => return match done {
                Some(()) => Vec::new(),
                None => awaited(instances.store()),
            },
            // An exchange that ends late may be the last thing that was waited for.
            _ = news.changed() => {}
        }
    }
}

/// Adds the traces that services began by themselves in answer to these, and to those.
fn add_begun(log: &TapLog, traces: &mut Vec<TraceId>, settings: &Settings, unlinked: &Unlinked) {
    let mut at = 0;
    while let Some(trace) = traces.get(at).copied() {
        let taps = log.taps_of_trace(trace);
        let begun = taps.iter().filter_map(|tap| unlinked.get(&tap.received(settings)?.span_id)).copied();
        let begun: Vec<TraceId> = begun.filter(|begun| !traces.contains(begun)).collect();
        traces.extend(begun);
        at += 1;
    }
}

/// Whether something that the taps let expect is not in the observation, or a call left no trace on the wire.
pub(super) fn is_incomplete(observation: &Observation) -> bool {
    let known: Vec<Known> = observation.spans.iter().filter_map(Known::decoded).collect();
    let seen: HashSet<SpanId> =
        observation.wire.iter().filter_map(WireTap::context).map(|sent| sent.span_id).collect();
    let unseen_call = known.iter().any(|span| {
        span.kind == SpanKind::Client && span.service != Source::DRIVER && !seen.contains(&span.span)
    });
    unseen_call
        || !missing(&observation.wire, &known, &observation.settings, false, &Unlinked::new()).is_empty()
}

impl Known {
    fn received(span: SpanRef) -> Option<Known> {
        let service = span.source?.service.to_string();
        Some(Known { trace: span.trace, span: span.span, parent: span.parent, kind: span.kind, service })
    }

    pub(super) fn decoded(span: &Span) -> Option<Known> {
        let service = span.source.as_ref()?.service.to_string();
        let parent = span.parent_span_id;
        Some(Known { trace: span.trace_id, span: span.span_id, parent, kind: span.kind, service })
    }
}

/// The expected spans that have not come, but for those in whose place a service began a trace.
fn missing(
    taps: &[WireTap],
    known: &[Known],
    settings: &Settings,
    alone: bool,
    unlinked: &Unlinked,
) -> Vec<Awaited> {
    let mut awaited = Vec::new();
    // Each of them answers for one exchange.
    let mut roots: HashMap<&str, usize> = HashMap::new();
    for root in known.iter().filter(|span| span.parent.is_none() && span.kind == SpanKind::Server) {
        *roots.entry(&root.service).or_default() += 1;
    }
    for tap in taps {
        let to = tap.to.service.as_ref();
        if tap.answered_by_front || tap.status.is_none() || tap.is_untraced(settings) {
            continue;
        }
        let of_trace = |trace: TraceId| known.iter().filter(move |span| span.trace == trace);
        match tap.received(settings) {
            Some(TraceContext { span_id, .. }) if unlinked.contains_key(&span_id) => {
                if let Some(left) = roots.get_mut(to) {
                    *left = left.saturating_sub(1);
                }
            }
            Some(TraceContext { trace_id, span_id, sampled: Some(true) }) => {
                let is_server = |span: &Known| span.parent == Some(span_id) && span.service == to;
                if !of_trace(trace_id).any(is_server) {
                    let (from, to) = (caller(tap), to.to_owned());
                    awaited.push(Awaited::Server { from, to, parent: Some(span_id) });
                }
            }
            Some(_) => {}
            None if alone => match roots.get_mut(to).filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None => awaited.push(Awaited::Server { from: caller(tap), to: to.to_owned(), parent: None }),
            },
            None => {}
        }
        let is_from_service = tap.from.as_ref().is_some_and(|from| !from.is_driver());
        let sent = tap.of_sender(settings).filter(|sent| is_from_service && sent.sampled == Some(true));
        if let Some(sent) = sent
            && !of_trace(sent.trace_id).any(|span| span.span == sent.span_id)
        {
            awaited.push(Awaited::Sender { from: caller(tap), to: to.to_owned(), span: sent.span_id });
        }
    }
    awaited
}

fn caller(tap: &WireTap) -> String {
    tap.from.as_ref().map_or_else(|| "an unknown caller".to_owned(), |from| from.service.to_string())
}

#[cfg(test)]
mod tests {
    use spanwise_model::notation;

    use super::*;

    /// What is waited for in an observation, as the taps show it.
    fn awaited(observation: &Observation, alone: bool) -> Vec<Awaited> {
        let known: Vec<Known> = observation.spans.iter().filter_map(Known::decoded).collect();
        missing(&observation.wire, &known, &observation.settings, alone, &Unlinked::new())
    }

    /// Compares what is waited for in an observation in words.
    #[track_caller]
    fn check(text: &str, alone: bool, expected: &[&str]) {
        let observation = notation::parse(text).expect("the notation");
        let words: Vec<String> = awaited(&observation, alone).iter().map(ToString::to_string).collect();
        assert_eq!(words, expected, "{text}");
    }

    const NO_CONTEXT: &str = "wire:\n  driver -> api-service http/1.1 \"GET /\" 200\n";

    #[test]
    fn alone_an_exchange_without_context_lets_expect_a_root() {
        let root = "a SERVER span of api-service without a parent, for a call from driver";
        check(NO_CONTEXT, true, &[root]);
        check(NO_CONTEXT, false, &[]);
        check(&format!("api-service SERVER \"GET /\" 200\n{NO_CONTEXT}"), true, &[]);
        check(&format!("api-service INTERNAL \"start\"\n{NO_CONTEXT}"), true, &[root]);
        check(&format!("backend-service SERVER \"GET /\" 200\n{NO_CONTEXT}"), true, &[root]);
        let two = format!(
            "api-service SERVER \"GET /\" 200\n{NO_CONTEXT}  driver -> api-service http/1.1 \"GET /\" 200\n"
        );
        check(&two, true, &[root]);
    }

    #[test]
    fn a_sampled_context_lets_expect_both_sides_of_its_call() {
        let unlinked = "api-service SERVER \"GET /\" 200\nwire:\n  \
                        api-service -> backend-service h2c \"POST /b.B/Greet\" OK traceparent: T1-P9-01\n";
        for alone in [true, false] {
            let observation = notation::parse(unlinked).expect("the notation");
            let awaited = awaited(&observation, alone);
            assert!(
                matches!(
                    awaited.as_slice(),
                    [Awaited::Server { to, parent: Some(_), .. }, Awaited::Sender { from, .. }]
                        if to == "backend-service" && from == "api-service"
                ),
                "{awaited:?}"
            );
        }
    }

    #[test]
    fn behind_a_front_end_a_service_is_expected_below_what_that_announced() {
        let call = |announced: &str, settings: &str| {
            format!(
                "api-service SERVER \"GET /\" 200 id=S1\n  api-service CLIENT \"b.B/Greet\" OK id=S2\nwire:\n  api-service -> \
                 backend-service h2 \"POST /b.B/Greet\" OK announced={announced} traceparent: T1-S2-01\nsettings:\n  \
                 platform=cloud-run\n{settings}"
            )
        };
        let expected = |text: &str| {
            let observation = notation::parse(text).expect("the notation");
            let announced = observation.wire[0].announced.map(|announced| announced.span_id);
            (awaited(&observation, false), announced)
        };
        let (awaited, announced) = expected(&call("T1/P1;o=1", ""));
        assert!(
            matches!(awaited.as_slice(), [Awaited::Server { parent, .. }] if *parent == announced),
            "{awaited:?}"
        );
        // The front end decided against recording, or said nothing of it.
        assert_eq!(expected(&call("T1/P1;o=0", "")).0, []);
        assert_eq!(expected(&call("T1/P1", "")).0, []);
        let legacy = "  front-end context=google\n  service backend-service grpc propagation=tracecontext\n";
        let (awaited, announced) = expected(&call("T1/P1;o=1", legacy));
        assert!(
            matches!(awaited.as_slice(), [Awaited::Server { parent: Some(parent), .. }] if Some(*parent) != announced),
            "{awaited:?}"
        );
    }

    #[test]
    fn nothing_is_expected_of_what_was_not_sampled_or_not_answered() {
        check("wire:\n  driver -> api-service http/1.1 \"GET /\" 200 traceparent: T1-P1-00\n", true, &[]);
        check("wire:\n  driver -> api-service http/1.1 \"GET /\" 503 by-front\n", true, &[]);
    }
}
