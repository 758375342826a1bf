//! Observations of every shape, for property tests: broken ids, cycles, odd names, values of every type.

mod evidence;
mod spans;
mod words;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use spanwise_model::{ContextFormat, Header, Observation, SpanId, TraceContext};

use self::evidence::{defect, export, log, process, recorded, request, settings, tap};
use self::spans::span;

/// Any observation, with up to a dozen spans.
pub(crate) fn observation() -> impl Strategy<Value = Observation> {
    let evidence =
        (vec(tap(), 0..4), vec(log(), 0..4), vec(export(), 0..3), vec(process(), 0..3), vec(defect(), 0..3));
    (vec(span(), 0..12), vec(request(), 0..3), evidence, settings(), recorded(), name()).prop_map(
        |(spans, requests, (wire, logs, exports, process, defects), settings, recorded, name)| {
            let mut observation = Observation {
                name,
                spans,
                requests,
                wire,
                logs,
                exports,
                process,
                defects,
                settings,
                recorded,
            };
            // The driver's spans have requests, mostly.
            let drivers = observation.spans.iter().filter(|span| span.is_driver());
            let ids: Vec<_> = drivers.map(|span| (span.trace_id, span.span_id)).collect();
            for (request, id) in observation.requests.iter_mut().zip(ids) {
                (request.trace_id, request.span_id) = id;
            }
            announce(&mut observation);
            observation
        },
    )
}

/// Lets the first announcement stand between the first two spans.
fn announce(observation: &mut Observation) {
    let ([caller, called, ..], Some(tap)) = (observation.spans.as_mut_slice(), observation.wire.first_mut())
    else {
        return;
    };
    let is_caller = caller.trace_id.is_valid() && caller.span_id.is_valid();
    if let Some(announced) = tap.announced.as_mut().filter(|_| is_caller) {
        let sent = TraceContext { trace_id: caller.trace_id, span_id: caller.span_id, sampled: Some(true) };
        let value = ContextFormat::Tracecontext.print(&sent);
        tap.request_headers.insert(0, Header { name: "traceparent".to_owned(), value });
        announced.trace_id = caller.trace_id;
        (called.trace_id, called.parent_span_id) = (announced.trace_id, Some(announced.span_id));
    }
}

fn name() -> impl Strategy<Value = String> {
    select(vec!["", "demo/greet/entry=http", "a b", " x", "\"q\""]).prop_map(str::to_owned)
}

/// The same observation with span ids of their own: with doubled ids, which span has the children depends on the order.
pub(crate) fn well_formed(mut observation: Observation) -> Observation {
    for (number, span) in observation.spans.iter_mut().enumerate() {
        span.span_id = SpanId([0xb0 | (number as u8 + 1); 8]);
    }
    observation
}

/// Shuffles a list, the same way for the same seed.
pub(crate) fn shuffle<T>(items: &mut [T], mut seed: u64) {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(last, (seed >> 33) as usize % (last + 1));
    }
}
