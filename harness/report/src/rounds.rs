//! What came of a permutation that ran several times, in words. Used by the reporters for people.

use spanwise_model::{Outcome, Rounds};

use crate::progress::count;

/// The worst stands first.
const ORDER: [Outcome; 5] = [
    Outcome::Failed,
    Outcome::UnexpectedlyPassed,
    Outcome::CouldNotRun,
    Outcome::FailedAsKnown,
    Outcome::Passed,
];

/// How often it ended how, as `failed 3, passed 2 of 5 times`; `None` where it was the same every time.
pub(crate) fn in_words(rounds: &Rounds) -> Option<String> {
    let Rounds { outcomes, forests } = rounds;
    let counts = outcomes.counts();
    let number = |outcome: Outcome| counts.iter().find(|(one, _)| *one == outcome).map_or(0, |(_, n)| *n);
    let parts = ORDER.into_iter().filter(|outcome| number(*outcome) > 0);
    let parts: Vec<String> =
        parts.map(|outcome| format!("{} {}", outcome.as_str().replace('_', " "), number(outcome))).collect();
    if parts.len() < 2 && *forests < 2 {
        return None;
    }
    let trees =
        if *forests > 1 { format!(", with {forests} different sets of trees") } else { String::new() };
    Some(format!("{} of {}{trees}", parts.join(", "), count(outcomes.all(), "time")))
}

#[cfg(test)]
mod tests {
    use spanwise_model::Summary;

    use super::*;

    #[track_caller]
    fn check(outcomes: &[Outcome], forests: usize, expected: Option<&str>) {
        let mut summary = Summary::default();
        outcomes.iter().for_each(|outcome| summary.add(*outcome));
        assert_eq!(in_words(&Rounds { outcomes: summary, forests }).as_deref(), expected);
    }

    #[test]
    fn only_what_was_not_the_same_every_time_is_said() {
        use Outcome::{CouldNotRun, Failed, Passed};
        check(&[Passed, Passed], 1, None);
        check(&[Failed], 1, None);
        check(&[CouldNotRun, CouldNotRun], 0, None);
        check(&[Passed, Failed, Passed], 1, Some("failed 1, passed 2 of 3 times"));
        check(&[Passed, Passed], 2, Some("passed 2 of 2 times, with 2 different sets of trees"));
        check(&[CouldNotRun, Failed], 1, Some("failed 1, could not run 1 of 2 times"));
    }
}
