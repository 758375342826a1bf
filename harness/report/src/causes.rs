//! Which root causes stand behind many results. Used by the summaries of the reporters for people.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use spanwise_model::{Finding, Level, PermutationResult};

use crate::findings::root_causes;
use crate::progress::count;

/// A root cause with the number of its permutations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frequent<'r> {
    pub(crate) rule: &'r str,
    pub(crate) level: Level,
    pub(crate) permutations: usize,
}

impl Frequent<'_> {
    /// As a summary says it: what is no violation says its level.
    pub(crate) fn in_words(&self) -> String {
        let Frequent { rule, level, permutations } = self;
        let permutations = count(*permutations, "permutation");
        match level {
            Level::Violation => format!("{rule} ({permutations})"),
            Level::Warning | Level::Information => format!("{} {rule} ({permutations})", level.as_str()),
        }
    }
}

/// The root causes of a result that are of its worst level: they are what it takes to mend it.
pub(crate) fn worst(result: &PermutationResult) -> Vec<&Finding> {
    let causes = root_causes(&result.findings);
    let Some(worst) = causes.first().map(|cause| cause.finding.level) else { return Vec::new() };
    causes.iter().map(|cause| cause.finding).filter(|finding| finding.level == worst).collect()
}

/// The root causes among results, the most frequent of the worst level first.
pub(crate) fn frequent<'r>(results: impl IntoIterator<Item = &'r PermutationResult>) -> Vec<Frequent<'r>> {
    let mut rules: BTreeMap<(&str, Level), usize> = BTreeMap::new();
    for result in results {
        let named: BTreeSet<(&str, Level)> =
            worst(result).into_iter().map(|finding| (&*finding.rule, finding.level)).collect();
        named.into_iter().for_each(|rule| *rules.entry(rule).or_default() += 1);
    }
    let frequent = |((rule, level), permutations)| Frequent { rule, level, permutations };
    let mut rules: Vec<Frequent<'_>> = rules.into_iter().map(frequent).collect();
    rules.sort_by_key(|one| (Reverse(one.level), Reverse(one.permutations), one.rule));
    rules
}
