//! Observations to their normal form: stable ids, canonical order, scrubbed values.
//!
//! The run loop normalizes an observation before it is shown, compared or kept as a snapshot. Rules read the observation as
//! it was collected, never this form. It does no I/O and knows nothing of suites.

mod agree;
mod front_end;
mod order;
mod scrub;
mod tidy;

use spanwise_model::Observation;
use spanwise_model::notation::{Forest, Relation, canonical_ids, lay_out, relations};

pub use agree::agreeing;
pub use front_end::fold_front_end;

/// The normal form of an observation: two runs of the same services, or two orders of the same spans, have the same one.
///
/// - Traces and spans have the ids of their numbers, traces in the order of the driver's requests, spans depth first;
///   ids in headers and log lines go with them.
/// - Siblings stand in an order that does not depend on when they ended; other evidence is ordered by its source.
/// - What differs from run to run is scrubbed (`scrub.rs` lists it), attributes are sorted by key.
/// - Times hold nothing but relations (see [`spanwise_model::notation`]).
pub fn normalize(observation: &Observation) -> Observation {
    let mut normal = observation.clone();
    tidy::tidy(&mut normal);
    scrub::scrub(&mut normal);
    order::order(&mut normal);
    tidy::remoteness(&mut normal);
    settle(&mut normal, |_| {});
    normal
}

/// Replaces times and ids by those of the form.
fn settle(normal: &mut Observation, keep: impl Fn(&mut Relation)) {
    let timed = (normal.settings.begun, normal.settings.ended) != (0, 0);
    // Relations of impossible observations can contradict one another; after a round or two the rest is stable.
    for _ in 0..ROUNDS {
        let mut wanted = relations(normal, &Forest::of(normal));
        wanted.iter_mut().for_each(&keep);
        lay_out(normal, &wanted, timed);
        if relations(normal, &Forest::of(normal)) == wanted {
            break;
        }
    }
    canonical_ids(normal);
}

/// Rounds after which times that do not settle are left as they are.
const ROUNDS: usize = 4;
