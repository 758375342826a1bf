//! What must still come of a permutation, as the taps show it.
//!
//! A sampled context with span id X that was seen going to service S lets expect a SERVER span of S with parent X, and X
//! itself from its sender. Used while waiting (services that do not flush when ended), and afterwards to tell which
//! permutations miss something.

use std::collections::HashSet;

use spanwise_model::{End, Observation, SpanId, SpanKind, TraceContext, TraceId, WireTap};
use spanwise_scenario::Permutation;
use tokio::time::Instant;

use super::instances::Instances;
use super::send::Sent;
use super::world::World;

/// What is known of a span for this purpose: trace, own id, parent, and the service that sent it.
struct Known {
    trace: TraceId,
    span: SpanId,
    parent: Option<SpanId>,
    kind: SpanKind,
    service: String,
}

/// Waits until all that the taps let expect has come; true when the deadline passed first.
pub(super) async fn wait(
    world: &World,
    instances: &Instances,
    permutation: &Permutation,
    sent: &Sent,
) -> bool {
    let deadline = Instant::now() + world.options.deadline;
    let is_complete = |store: &spanwise_collect::Store| {
        let taps: Vec<WireTap> =
            sent.traces.iter().flat_map(|trace| instances.taps.taps_of_trace(*trace)).collect();
        let is_over = taps.iter().all(|tap| tap.end != End::Open);
        let known: Vec<Known> = sent
            .traces
            .iter()
            .flat_map(|trace| store.ids_of(*trace))
            .filter_map(|span| {
                let service = span.source?.service.to_string();
                Some(Known {
                    trace: span.trace,
                    span: span.span,
                    parent: span.parent,
                    kind: span.kind,
                    service,
                })
            })
            .collect();
        (is_over && missing(&taps, &known, permutation.settings.services.as_slice()).is_none()).then_some(())
    };
    let mut news = instances.taps.subscribe();
    loop {
        news.borrow_and_update();
        let arrived = instances.store().wait_until(deadline, is_complete);
        tokio::select! {
            done = arrived => return done.is_none(),
            // An exchange that ends late may be the last thing that was waited for.
            _ = news.changed() => {}
        }
    }
}

/// Whether something that the taps let expect is not in the observation, or a call left no trace on the wire.
pub(super) fn is_incomplete(observation: &Observation) -> bool {
    let known: Vec<Known> = observation
        .spans
        .iter()
        .filter_map(|span| {
            let service = span.source.as_ref()?.service.to_string();
            let parent = span.parent_span_id;
            Some(Known { trace: span.trace_id, span: span.span_id, parent, kind: span.kind, service })
        })
        .collect();
    let seen: HashSet<SpanId> =
        observation.wire.iter().filter_map(context).map(|sent| sent.span_id).collect();
    let unseen_call = known
        .iter()
        .any(|span| span.kind == SpanKind::Client && span.service != "driver" && !seen.contains(&span.span));
    unseen_call || missing(&observation.wire, &known, &observation.settings.services).is_some()
}

fn context(tap: &WireTap) -> Option<TraceContext> {
    tap.context()
}

/// The first expected span that has not come.
fn missing(taps: &[WireTap], known: &[Known], services: &[spanwise_model::ServiceFacts]) -> Option<SpanId> {
    for tap in taps {
        let callee = services.iter().find(|service| *service.name == *tap.to.service);
        let is_untraced = callee.is_some_and(|service| {
            let path = tap.path.split('?').next().unwrap_or_default();
            service.external
                || service.untraced.iter().any(|untraced| {
                    path == untraced
                        || path.strip_prefix('/').is_some_and(|path| path.starts_with(untraced.as_str()))
                })
        });
        if tap.answered_by_front || is_untraced || tap.status.is_none() {
            continue;
        }
        // A service reads only what it is configured for.
        let reads = callee.map(|service| service.propagation.as_slice()).unwrap_or(&super::send::FORMATS);
        let context = super::send::FORMATS
            .into_iter()
            .filter(|format| reads.contains(format))
            .find_map(|format| tap.context_in(format));
        let Some(TraceContext { trace_id, span_id, sampled: Some(true) }) = context else { continue };
        let served = known.iter().any(|span| {
            span.trace == trace_id && span.parent == Some(span_id) && span.service == *tap.to.service
        });
        let from_driver = tap.from.as_ref().is_none_or(|from| from.is_driver());
        let has_sender =
            from_driver || known.iter().any(|span| span.trace == trace_id && span.span == span_id);
        if !served || !has_sender {
            return Some(span_id);
        }
    }
    None
}
