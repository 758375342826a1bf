//! Which spans belong to which permutation, where a shared lane does not tell.
//!
//! The trace id that the driver chose tells, unless a service lost it. Then the lane has strays: exactly the permutations
//! that miss something run again, alone, where everything is theirs. A verdict never improves by it.

use std::collections::BTreeMap;

use spanwise_model::{Observation, WireTap};
use spanwise_scenario::Plan;

use super::complete::is_incomplete;
use super::lane::{Lane, LaneReport, Seen};
use super::observe::Strays;

/// A permutation's observations: of the shared lane, and of a lane of its own where it ran again.
pub(super) struct Settled {
    /// As an index into the plan's.
    pub(super) permutation: usize,
    /// What was seen first.
    pub(super) first: Seen,
    /// What was seen when it ran alone for attribution.
    pub(super) again: Option<Seen>,
}

/// Whether one of these calls may be this permutation's: it entered the calling service, and no call of that service is
/// known. Of an unsampled request nothing else would ever show it.
fn may_have_made(observation: &Observation, strays: &[WireTap]) -> bool {
    let callers = strays.iter().filter_map(|tap| tap.from.as_ref());
    let mut callers = callers.filter(|caller| observation.wire.iter().any(|tap| tap.to == **caller));
    callers.any(|caller| observation.wire.iter().all(|tap| tap.from.as_ref() != Some(caller)))
}

/// What waits to run again.
#[derive(Default)]
pub(super) struct Attribution {
    waiting: BTreeMap<usize, Seen>,
    lanes: Vec<Lane>,
    strays: Strays,
}

impl Attribution {
    /// Takes a lane's report; gives back what is settled by it.
    pub(super) fn settle(&mut self, plan: &Plan, report: LaneReport) -> Vec<Settled> {
        let misses = |observation: &Observation| {
            is_incomplete(observation) || may_have_made(observation, &report.strays.taps)
        };
        let mut settled = Vec::new();
        let mut affected = 0;
        for (permutation, first) in report.seen {
            let is_affected = match &first {
                Seen::Observed(observation, _) => {
                    !report.alone && !report.strays.is_empty() && misses(observation)
                }
                Seen::CouldNotRun(_) => false,
            };
            if is_affected {
                affected += 1;
                self.lanes.push(Lane::alone(plan, permutation));
                self.waiting.insert(permutation, first);
            } else {
                settled.push(Settled { permutation, first, again: None });
            }
        }
        // Whoever runs again takes his strays along; what nobody misses belongs to nobody.
        if affected == 0 {
            self.strays.spans.extend(report.strays.spans);
            self.strays.defects.extend(report.strays.defects);
        }
        settled
    }

    /// The lanes of those that run again.
    pub(super) fn again(&mut self) -> Vec<Lane> {
        std::mem::take(&mut self.lanes)
    }

    /// Takes the report of a permutation that ran again.
    pub(super) fn settle_again(&mut self, report: LaneReport) -> Vec<Settled> {
        let mut settled = Vec::new();
        for (permutation, again) in report.seen {
            if let Some(first) = self.waiting.remove(&permutation) {
                settled.push(Settled { permutation, first, again: Some(again) });
            }
        }
        settled
    }

    /// What belongs to no permutation.
    pub(super) fn into_strays(self) -> Strays {
        self.strays
    }
}
