//! A plan run several times, told as one run: for tracing that works most of the time.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use spanwise_model::{Finding, Outcome, PermutationResult, Rounds, RunEvent, Summary};
use spanwise_scenario::Plan;

use super::fixed::FixedListeners;
use super::world::{InOrder, World};
use super::{Options, RunError, run_in, run_until};

/// Runs a plan `rounds` times as [`run_until`] does, one after another, and tells it as one run: each permutation ends as it
/// did in its worst round, and says how it ended in all of them ([`PermutationResult::rounds`]); what it came to in each of them is
/// told as [`RunEvent::InRound`]. A round that is broken off is the last, and counts for what it came to; so is, under
/// [`Options::fail_fast`], the first in which one fails.
pub async fn run_rounds(
    plan: Arc<Plan>,
    options: Options,
    rounds: usize,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Summary, RunError> {
    if rounds <= 1 {
        return run_until(plan, options, stop, on_event).await;
    }
    let is_stopped = Cell::new(false);
    let stop = async {
        stop.await;
        is_stopped.set(true);
    };
    let mut stop = std::pin::pin!(stop);
    let mut all = AllRounds::default();
    let (fixed, in_order) = (Arc::<FixedListeners>::default(), InOrder::default());
    let permutations = plan.permutations.len() * rounds;
    on_event(&RunEvent::Started { suites: plan.suites.clone(), permutations, part: options.part.clone() });
    let mut failed = None;
    for _ in 0..rounds {
        let ended_before = all.ended;
        let world = async {
            let world = World::new(options.clone(), Weak::new()).await?;
            Ok(world.with_fixed(fixed.clone()).with_order(in_order.clone()))
        };
        let one = run_in(world, plan.clone(), options.clone(), stop.as_mut(), |event| match event {
            RunEvent::Started { .. } => {}
            RunEvent::Finished(result) => {
                on_event(&RunEvent::InRound(result.clone()));
                all.take(result);
            }
            RunEvent::Ended { strays, strays_fail, duration_ms, .. } => {
                all.end(strays, *strays_fail, *duration_ms);
            }
            RunEvent::Found { finding, .. } if !all.found.insert(finding.rule.to_string()) => {}
            other => on_event(other),
        });
        if let Err(error) = one.await {
            failed = Some(error);
            break;
        }
        let is_enough = options.fail_fast && all.fails();
        if is_stopped.get() || is_enough || all.ended == ended_before {
            break;
        }
    }
    let is_whole = all.ended == rounds;
    let AllRounds { results, strays, strays_fail, duration_ms, .. } = all;
    let mut summary = Summary::default();
    for result in results.into_values().map(OneOfAll::into_result) {
        summary.add(result.outcome);
        on_event(&RunEvent::Finished(Box::new(result)));
    }
    if is_whole {
        on_event(&RunEvent::Ended { strays, strays_fail, summary, duration_ms });
    }
    // What the rounds before it came to is told all the same.
    failed.map_or(Ok(summary), Err)
}

/// What came of all rounds.
#[derive(Default)]
struct AllRounds {
    results: BTreeMap<String, OneOfAll>,
    strays: Vec<Finding>,
    strays_fail: bool,
    duration_ms: u64,
    /// The rules of which it was told that they fail a permutation.
    found: BTreeSet<String>,
    /// How many rounds came to their end.
    ended: usize,
}

/// What came of a permutation in all rounds.
struct OneOfAll {
    worst: PermutationResult,
    outcomes: Summary,
    /// The trees that it gave, each set of them once.
    forests: BTreeSet<Vec<String>>,
}

impl AllRounds {
    fn take(&mut self, result: &PermutationResult) {
        match self.results.get_mut(&result.name) {
            Some(one) => one.take(result),
            None => {
                self.results.insert(result.name.clone(), OneOfAll::new(result));
            }
        }
    }

    /// Whether a permutation failed in one of the rounds.
    fn fails(&self) -> bool {
        self.results.values().any(|one| one.worst.fails())
    }

    fn end(&mut self, strays: &[Finding], strays_fail: bool, duration_ms: u64) {
        self.strays.extend_from_slice(strays);
        self.strays_fail |= strays_fail;
        self.duration_ms += duration_ms;
        self.ended += 1;
    }
}

impl OneOfAll {
    fn new(result: &PermutationResult) -> OneOfAll {
        let (outcomes, forests) = (Summary::default(), BTreeSet::new());
        let mut one = OneOfAll { worst: result.clone(), outcomes, forests };
        one.count(result);
        one
    }

    /// Of equally bad rounds the first counts.
    fn take(&mut self, result: &PermutationResult) {
        if badness(result.outcome) > badness(self.worst.outcome) {
            self.worst = result.clone();
        }
        self.count(result);
    }

    fn count(&mut self, result: &PermutationResult) {
        self.outcomes.add(result.outcome);
        if result.outcome != Outcome::CouldNotRun {
            // The driver's own traces stand first; the others came in whatever order they came.
            let mut forest: Vec<String> = result.traces.iter().map(|trace| trace.tree.clone()).collect();
            forest.sort_unstable();
            self.forests.insert(forest);
        }
    }

    fn into_result(self) -> PermutationResult {
        let rounds = Rounds { outcomes: self.outcomes, forests: self.forests.len() };
        let mut result = PermutationResult { rounds: Some(rounds), ..self.worst };
        if let (Outcome::UnexpectedlyPassed, Some(reason)) = (result.outcome, &mut result.reason)
            && rounds.outcomes.failed_as_known > 0
        {
            // To remove the entry, as a single round advises, would let the other rounds fail.
            reason.push_str(
                ", or, as it failed so in other rounds, list it as known to be flaky (`known-flaky`)",
            );
        }
        result
    }
}

/// What counts of several outcomes: a failure is worse than not to know.
fn badness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Passed => 0,
        Outcome::FailedAsKnown => 1,
        Outcome::CouldNotRun => 2,
        Outcome::UnexpectedlyPassed => 3,
        Outcome::Failed => 4,
    }
}

#[cfg(test)]
mod tests {
    use spanwise_model::{TraceId, TraceSummary};

    use super::*;

    /// Takes one outcome and its trees a round; compares how it ended, and how often how.
    #[track_caller]
    fn check(rounds: &[(Outcome, &[&str])], outcome: Outcome, expected: (Summary, usize)) {
        let mut all = AllRounds::default();
        for (number, (outcome, trees)) in rounds.iter().enumerate() {
            let mut result = PermutationResult::new("demo/greet", "demo/greet", *outcome);
            result.reason = Some(number.to_string());
            let trace = |tree: &&str| TraceSummary {
                trace_id: TraceId([number as u8 + 1; 16]),
                spans: 1,
                tree: (*tree).to_owned(),
            };
            result.traces = trees.iter().map(trace).collect();
            all.take(&result);
        }
        let result = all.results.remove("demo/greet").expect("it was taken").into_result();
        let first = rounds.iter().position(|(one, _)| *one == outcome).map(|number| number.to_string());
        assert_eq!((result.outcome, result.reason), (outcome, first));
        let (outcomes, forests) = expected;
        assert_eq!(result.rounds, Some(Rounds { outcomes, forests }));
    }

    #[test]
    fn the_worst_round_counts_and_all_are_counted() {
        use Outcome::{CouldNotRun, Failed, Passed};
        let counted =
            |passed, failed, could_not_run| Summary { passed, failed, could_not_run, ..Summary::default() };
        check(&[(Passed, &["a"]), (Passed, &["a"])], Passed, (counted(2, 0, 0), 1));
        check(&[(Passed, &["a", "b"]), (Passed, &["b", "a"])], Passed, (counted(2, 0, 0), 1));
        check(&[(Passed, &["a"]), (Failed, &["b"]), (Failed, &["c"])], Failed, (counted(1, 2, 0), 3));
        check(&[(CouldNotRun, &[]), (Passed, &["a"])], CouldNotRun, (counted(1, 0, 1), 1));
    }

    #[test]
    fn what_fails_as_known_in_some_rounds_is_flaky() {
        let reason = |outcomes: &[Outcome]| {
            let mut all = AllRounds::default();
            for outcome in outcomes {
                let mut result = PermutationResult::new("demo/greet", "demo/greet", *outcome);
                result.reason = Some("remove `demo/**`".to_owned());
                all.take(&result);
            }
            all.results.remove("demo/greet").and_then(|one| one.into_result().reason)
        };
        use Outcome::{FailedAsKnown, UnexpectedlyPassed};
        let flaky = reason(&[FailedAsKnown, UnexpectedlyPassed, FailedAsKnown]).expect("a reason");
        assert!(flaky.starts_with("remove `demo/**`, or, as it failed so in other rounds, "), "{flaky}");
        assert_eq!(reason(&[UnexpectedlyPassed; 2]).as_deref(), Some("remove `demo/**`"));
    }
}
