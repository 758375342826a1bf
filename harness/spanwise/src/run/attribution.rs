//! Which spans belong to which permutation, where a shared lane does not tell.
//!
//! The trace id that the driver chose tells, unless a service lost it. Then the lane has strays: exactly the permutations
//! that miss something run again, alone, where everything is theirs. A verdict never improves by it (`judge`). What came
//! up again there explains its like among the strays; every other stray span is reported, and broken telemetry always.

use std::collections::BTreeMap;

use spanwise_model::{Defect, Observation, Span, WireTap};
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

/// What belongs to no permutation of a suite.
#[derive(Default)]
pub(super) struct Unattributed {
    pub(super) spans: Vec<Span>,
    pub(super) defects: Vec<Defect>,
}

/// Whether one of these calls may be this permutation's: it entered the calling service, and no call from there to the called
/// one is known. Of an unsampled request, and of a service of somebody else, nothing else would ever show it.
fn may_have_made(observation: &Observation, strays: &[WireTap]) -> bool {
    let entered = |stray: &&WireTap| observation.wire.iter().any(|tap| stray.from.as_ref() == Some(&tap.to));
    let is_like = |stray: &WireTap, tap: &WireTap| (&tap.from, &tap.to) == (&stray.from, &stray.to);
    strays.iter().filter(entered).any(|stray| !observation.wire.iter().any(|tap| is_like(stray, tap)))
}

/// Whether two spans are of one kind of operation of one service.
fn alike(one: &Span, other: &Span) -> bool {
    let service = |span: &Span| span.source.as_ref().map(|source| source.service.clone());
    one.name == other.name && one.kind == other.kind && service(one) == service(other)
}

/// What waits to run again, and what nobody has claimed.
#[derive(Default)]
pub(super) struct Attribution {
    waiting: BTreeMap<usize, Seen>,
    lanes: Vec<Lane>,
    held: Vec<Held>,
}

/// What a lane left that belongs to none of its permutations, of which some may run again.
struct Held {
    suite: String,
    /// The first permutation of the lane. Lanes are told in this order, whichever ended first.
    lane: usize,
    permutations: Vec<usize>,
    spans: Vec<Span>,
    defects: Vec<Defect>,
}

impl Attribution {
    /// Takes a lane's report; gives back what is settled by it.
    pub(super) fn settle(&mut self, plan: &Plan, report: LaneReport) -> Vec<Settled> {
        let LaneReport { alone, suite, seen, strays, .. } = report;
        let lane = seen.iter().map(|(permutation, _)| *permutation).min().unwrap_or_default();
        let misses = |observation: &Observation| {
            is_incomplete(observation) || may_have_made(observation, &strays.taps)
        };
        let mut settled = Vec::new();
        let mut affected = Vec::new();
        for (permutation, first) in seen {
            let is_affected = match &first {
                Seen::Observed(observation, _) => !alone && !strays.is_empty() && misses(observation),
                Seen::CouldNotRun(_) => false,
            };
            if is_affected {
                affected.push(permutation);
                self.lanes.push(Lane::again(plan, permutation));
                self.waiting.insert(permutation, first);
            } else {
                settled.push(Settled { permutation, first, again: None });
            }
        }
        let Strays { spans, defects, .. } = strays;
        self.held.push(Held { suite, lane, permutations: affected, spans, defects });
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
            if let Seen::Observed(observation, _) = &again {
                let held = self.held.iter_mut().filter(|held| held.permutations.contains(&permutation));
                for Held { spans, .. } in held {
                    spans.retain(|stray| !observation.spans.iter().any(|span| alike(stray, span)));
                }
            }
            if let Some(first) = self.waiting.remove(&permutation) {
                settled.push(Settled { permutation, first, again: Some(again) });
            }
        }
        settled
    }

    /// What is settled by the run having been broken off: those that wait to run again keep what was seen first.
    pub(super) fn settle_rest(&mut self) -> Vec<Settled> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|(permutation, first)| Settled { permutation, first, again: None }).collect()
    }

    /// What belongs to no permutation, by suite.
    pub(super) fn into_unattributed(mut self) -> BTreeMap<String, Unattributed> {
        self.held.sort_by_key(|held| held.lane);
        let mut unattributed: BTreeMap<String, Unattributed> = BTreeMap::new();
        for Held { suite, spans, defects, .. } in self.held {
            let of_suite = unattributed.entry(suite).or_default();
            of_suite.spans.extend(spans);
            of_suite.defects.extend(defects);
        }
        unattributed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spanwise_model::{DefectKind, notation};

    use super::*;
    use crate::run::fixture;

    const LINKED: &str = "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n\
                          wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";
    const UNLINKED: &str = "driver CLIENT \"GET /\" 200 id=S1 to=web\n\
                            wire:\n  driver -> web http/1.1 \"GET /\" 200 traceparent: T1-S1-01\n";
    const UNSEEN_CALL: &str = "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n    \
                               web CLIENT \"store.Store/Get\" UNKNOWN\n\
                               wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n";

    fn seen(text: &str) -> Seen {
        Seen::Observed(Box::new(notation::parse(text).expect("the notation")), Duration::ZERO)
    }

    fn span(text: &str) -> Span {
        notation::parse(text).expect("the notation").spans.remove(0)
    }

    fn report(texts: &[&str], strays: Strays) -> LaneReport {
        let seen = texts.iter().enumerate().map(|(at, text)| (at, seen(text))).collect();
        LaneReport { alone: false, again: false, suite: "small".to_owned(), seen, strays, encoded: None }
    }

    /// Settles a shared lane and compares which of its permutations run again.
    #[track_caller]
    fn check(texts: &[&str], strays: Strays, expected: &[usize]) -> Attribution {
        let plan = fixture::plan("");
        let mut attribution = Attribution::default();
        let settled = attribution.settle(&plan, report(texts, strays));
        let again = attribution.again();
        assert!(again.iter().all(|lane| lane.alone));
        let again: Vec<usize> = again.iter().flat_map(|lane| lane.permutations().to_vec()).collect();
        assert_eq!(again, expected);
        assert_eq!(settled.len(), texts.len() - expected.len());
        attribution
    }

    fn stray(text: &str) -> Strays {
        Strays { spans: vec![span(text)], ..Strays::default() }
    }

    #[test]
    fn who_misses_something_runs_again_where_there_are_strays() {
        let stray = || stray("web SERVER \"GET /\" 200\n");
        check(&[LINKED, UNLINKED], stray(), &[1]);
        check(&[LINKED, LINKED], stray(), &[]);
        check(&[LINKED, UNLINKED], Strays::default(), &[]);
    }

    #[test]
    fn who_made_a_call_that_nobody_saw_runs_again_where_a_service_complained() {
        let complained = || Strays { unnamed_errors: true, ..Strays::default() };
        check(&[LINKED, UNSEEN_CALL], complained(), &[1]);
        check(&[LINKED, UNSEEN_CALL], Strays::default(), &[]);
        check(&[LINKED, LINKED], complained(), &[]);
    }

    #[test]
    fn who_may_have_made_a_call_without_context_runs_again() {
        let call = |hop: &str| {
            let text = format!("driver CLIENT \"GET /\" 200 id=S1\nwire:\n  {hop}\n");
            Strays { taps: notation::parse(&text).expect("the notation").wire, ..Strays::default() }
        };
        let calling = "driver CLIENT \"GET /\" 200 id=S1\n  web SERVER \"GET /\" 200\n    \
                       web CLIENT \"store.Store/Get\" OK id=S3\n      store SERVER \"store.Store/Get\" OK\n\
                       wire:\n  driver -> web http/1.1 200 traceparent: T1-S1-01\n  \
                       web -> store h2c OK traceparent: T1-S3-01\n";
        check(&[LINKED, calling], call("web -> store h2c"), &[0]);
        check(&[LINKED, calling], call("web -> partner http/1.1"), &[0, 1]);
        check(&[LINKED, calling], call("worker -> partner http/1.1"), &[]);
    }

    fn left(attribution: Attribution) -> (Vec<String>, usize) {
        let Unattributed { spans, defects } =
            attribution.into_unattributed().remove("small").unwrap_or_default();
        (spans.into_iter().map(|span| span.name).collect(), defects.len())
    }

    #[test]
    fn what_comes_up_again_is_no_stray_and_everything_else_stays_one() {
        let mut strays = stray("web SERVER \"GET /\" 200\n");
        strays.spans.push(span("web INTERNAL \"clean up\"\n"));
        strays.defects.push(Defect {
            kind: DefectKind::Payload,
            source: None,
            export: None,
            place: "payload".to_owned(),
            detail: "cut".to_owned(),
            trace_id: None,
            span_id: None,
        });
        let mut attribution = check(&[LINKED, UNLINKED], strays, &[1]);
        let again = vec![(1, seen("web SERVER \"GET /\" 200\n"))];
        let strays = Strays::default();
        let report = LaneReport { alone: true, again: true, seen: again, ..report(&[], strays) };
        let settled = attribution.settle_again(report);
        assert!(matches!(settled.as_slice(), [Settled { permutation: 1, again: Some(_), .. }]));
        assert_eq!(left(attribution), (vec!["clean up".to_owned()], 1));
    }

    #[test]
    fn without_a_second_run_all_strays_stay() {
        assert_eq!(left(check(&[LINKED], stray("web SERVER \"GET /\" 200\n"), &[])).0, ["GET /"]);
        let mut broken_off = check(&[UNLINKED], stray("web SERVER \"GET /\" 200\n"), &[0]);
        assert!(matches!(broken_off.settle_rest().as_slice(), [Settled { permutation: 0, again: None, .. }]));
        assert_eq!(left(broken_off).0, ["GET /"]);
    }
}
