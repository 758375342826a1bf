//! Results that say the same, put together: the tree of a trace is shown once, however many permutations share it.
//! Used by the terminal and the Markdown summary.

use std::collections::{BTreeMap, BTreeSet};

use spanwise_model::{Outcome, PermutationResult, Rounds};

use crate::findings::span_path;
use crate::snapshot::distinct;

/// Results with one outcome, the same trees and the same findings.
pub(crate) struct Block<'r> {
    /// Stands for all of them.
    pub(crate) sample: &'r PermutationResult,
    /// Its distinct trees with how many of its traces have each.
    pub(crate) trees: Vec<(&'r str, usize)>,
    /// Whom it stands for, by group.
    pub(crate) shares: Vec<Share<'r>>,
}

/// The members of a block out of one group.
pub(crate) struct Share<'r> {
    pub(crate) group: &'r str,
    pub(crate) members: usize,
    /// How many permutations the group has.
    pub(crate) of: usize,
    /// The axes on which the members have fewer values than the group.
    pub(crate) narrowed: Vec<String>,
    /// Whether these axes alone tell the members from the rest of the group.
    pub(crate) exact: bool,
}

impl Block<'_> {
    /// How many permutations it stands for.
    pub(crate) fn members(&self) -> usize {
        self.shares.iter().map(|share| share.members).sum()
    }
}

/// Puts results together, in the order of the first of each block.
///
/// Messages and values of findings may hold ids of one trace, so findings are the same if rule, level, place and
/// cause are. Blocks that say nothing but a tree are put together across groups, all others stay within one.
pub(crate) fn blocks(results: &[PermutationResult]) -> Vec<Block<'_>> {
    let mut groups: BTreeMap<&str, Vec<&PermutationResult>> = BTreeMap::new();
    for result in results {
        groups.entry(&result.group).or_default().push(result);
    }
    let mut places: BTreeMap<Key<'_>, usize> = BTreeMap::new();
    let mut members: Vec<Vec<&PermutationResult>> = Vec::new();
    for result in results {
        let place = *places.entry(Key::of(result)).or_insert(members.len());
        match members.get_mut(place) {
            Some(block) => block.push(result),
            None => members.push(vec![result]),
        }
    }
    members.into_iter().map(|members| block(&members, &groups)).collect()
}

fn block<'r>(
    members: &[&'r PermutationResult],
    groups: &BTreeMap<&'r str, Vec<&'r PermutationResult>>,
) -> Block<'r> {
    let sample = members[0];
    let share_of = |group: &'r str| {
        let inside: Vec<_> = members.iter().copied().filter(|member| member.group == group).collect();
        share(group, &inside, &groups[group])
    };
    Block {
        sample,
        trees: trees(sample),
        shares: distinct_groups(members).into_iter().map(share_of).collect(),
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key<'r> {
    outcome: &'static str,
    reason: Option<&'r str>,
    rounds: Option<Rounds>,
    trees: Vec<(&'r str, usize)>,
    findings: Vec<(&'r str, &'static str, String, Option<usize>)>,
    /// Where the block stays within its group.
    group: Option<&'r str>,
}

impl<'r> Key<'r> {
    fn of(result: &'r PermutationResult) -> Key<'r> {
        let could_not_run = result.outcome == Outcome::CouldNotRun;
        let says_more = !result.findings.is_empty() || result.outcome != Outcome::Passed;
        let mut findings: Vec<_> = result
            .findings
            .iter()
            .map(|finding| {
                (
                    &*finding.rule,
                    finding.level.as_str(),
                    span_path(&finding.span_path),
                    finding.consequence_of,
                )
            })
            .collect();
        findings.dedup();
        Key {
            outcome: result.outcome.as_str(),
            reason: result.reason.as_deref(),
            rounds: result.rounds,
            trees: if could_not_run { Vec::new() } else { trees(result) },
            findings,
            group: (says_more && !could_not_run).then_some(&*result.group),
        }
    }
}

fn trees(result: &PermutationResult) -> Vec<(&str, usize)> {
    distinct(result.traces.iter().map(|trace| trace.tree.as_str()))
}

fn distinct_groups<'r>(members: &[&'r PermutationResult]) -> Vec<&'r str> {
    distinct(members.iter().map(|member| member.group.as_str())).into_iter().map(|(group, _)| group).collect()
}

fn share<'r>(group: &'r str, members: &[&PermutationResult], all: &[&PermutationResult]) -> Share<'r> {
    let (mine, every) = (values(members), values(all));
    let narrowed: BTreeMap<&str, &BTreeSet<&str>> = mine
        .iter()
        .filter(|(axis, values)| every[*axis].len() > values.len())
        .map(|(a, v)| (*a, v))
        .collect();
    let fits = |result: &PermutationResult| {
        let axes: BTreeMap<&str, &str> = axes(&result.name).collect();
        narrowed.iter().all(|(axis, values)| axes.get(axis).is_some_and(|value| values.contains(value)))
    };
    Share {
        group,
        members: members.len(),
        of: all.len(),
        exact: all.iter().filter(|result| fits(result)).count() == members.len(),
        // In the order of the name, not of the alphabet.
        narrowed: members
            .first()
            .into_iter()
            .flat_map(|first| axes(&first.name))
            .filter_map(|(axis, _)| narrowed.get(axis).map(|values| (axis, values)))
            .map(|(axis, values)| format!("{axis}={}", values.iter().copied().collect::<Vec<_>>().join("|")))
            .collect(),
    }
}

/// The values that each axis has among some results.
fn values<'r>(results: &[&'r PermutationResult]) -> BTreeMap<&'r str, BTreeSet<&'r str>> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (axis, value) in results.iter().flat_map(|result| axes(&result.name)) {
        values.entry(axis).or_default().insert(value);
    }
    values
}

/// The components `axis=value` of a full name.
fn axes(name: &str) -> impl Iterator<Item = (&str, &str)> {
    name.split('/').filter_map(|component| component.split_once('='))
}
