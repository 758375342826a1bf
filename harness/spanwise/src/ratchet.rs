//! The ratchet file: findings that a run lets pass because they were there before, for teams that adopt the harness late.
//!
//! A line is a finding: `suite/case`, the rule and the span path, with tabs between; `#` begins a comment. Ids and axes are no
//! part of it, so it stays the same from run to run and covers every permutation of the case. [`Ratchet::parse`] and
//! [`Review`] are pure; the command line reads and writes the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use spanwise_model::{Finding, Outcome, PermutationResult, Verdict};
use spanwise_scenario::{Permutation, Plan};

use crate::Options;
use crate::run::failing;

/// What stands above the findings of a new file.
const HEAD: &str = "# Findings that were there before, which `spanwise run --ratchet` lets pass: suite/case, rule and span path, with \
                    tabs between.\n# `--ratchet-update` adds and removes lines.\n";

/// One finding of a ratchet file. Printed, it is its line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RatchetEntry {
    case: String,
    rule: String,
    path: String,
}

/// The findings that are let pass, each with the comments above its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ratchet {
    file: String,
    /// The comments at the top, up to the first empty line.
    head: String,
    entries: BTreeMap<RatchetEntry, String>,
}

/// A line that is no finding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file}:{line}: expected `suite/case`, a rule and a span path with tabs between, found {found:?}; \
     `--ratchet-update` writes such lines"
)]
pub struct RatchetError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub found: String,
}

impl RatchetEntry {
    /// What a finding of a permutation is known by. Without a span it is the service's, and without a service the run's.
    fn of(permutation: &str, finding: &Finding) -> RatchetEntry {
        let path = match (finding.span_path.as_slice(), &finding.service) {
            ([], None) => "-".to_owned(),
            ([], Some(service)) => service.clone(),
            (path, _) => path.join(" > "),
        };
        // Names are others' to choose, and a tab or a line break in one would cut the line.
        let path = path.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        RatchetEntry { case: case(permutation).to_owned(), rule: finding.rule.to_string(), path }
    }

    fn parse(line: &str) -> Option<RatchetEntry> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [case, rule, path] = columns[..] else { return None };
        let (suite, name) = case.split_once('/')?;
        let is_word = |word: &str| !word.is_empty() && !word.contains([' ', '/']);
        let fits = [suite, name, rule].into_iter().all(is_word) && !path.is_empty();
        fits.then(|| RatchetEntry { case: case.to_owned(), rule: rule.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for RatchetEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.case, self.rule, self.path)
    }
}

/// `suite/case` of a full name.
fn case(permutation: &str) -> &str {
    permutation.match_indices('/').nth(1).map_or(permutation, |(at, _)| &permutation[..at])
}

impl Ratchet {
    /// A file that lets nothing pass.
    pub fn empty(file: &str) -> Ratchet {
        Ratchet { file: file.to_owned(), head: HEAD.to_owned(), entries: BTreeMap::new() }
    }

    /// Reads a file's text; `file` is only shown.
    ///
    /// # Errors
    /// The first line that is neither a finding nor a comment.
    pub fn parse(file: &str, text: &str) -> Result<Ratchet, RatchetError> {
        let mut ratchet = Ratchet { head: String::new(), ..Ratchet::empty(file) };
        let mut comments = String::new();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                ratchet.head.push_str(&std::mem::take(&mut comments));
            } else if line.starts_with('#') {
                comments.push_str(&format!("{line}\n"));
            } else if let Some(entry) = RatchetEntry::parse(line) {
                ratchet.entries.entry(entry).or_default().push_str(&std::mem::take(&mut comments));
            } else {
                let (file, found) = (file.to_owned(), line.to_owned());
                return Err(RatchetError { file, line: at + 1, found });
            }
        }
        ratchet.head.push_str(&comments);
        Ok(ratchet)
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Whether a finding of a permutation is let pass.
    pub(crate) fn has(&self, permutation: &str, finding: &Finding) -> bool {
        self.entries.contains_key(&RatchetEntry::of(permutation, finding))
    }
}

impl fmt::Display for Ratchet {
    /// The file's text: comments that end in an empty line, then the findings in order, each below its own comments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.head.is_empty() {
            writeln!(f, "{}", self.head)?;
        }
        self.entries.iter().try_for_each(|(entry, comments)| writeln!(f, "{comments}{entry}"))
    }
}

/// Follows a run and says what it means for the file.
pub struct Review<'p> {
    ratchet: Ratchet,
    options: Options,
    permutations: BTreeMap<&'p str, &'p Permutation>,
    suites: BTreeSet<&'p str>,
    /// Cases of which something did not run: there an entry may be needed that was not met.
    cut: BTreeSet<String>,
    /// Permutations that did not end yet.
    open: BTreeSet<&'p str>,
    met: BTreeSet<RatchetEntry>,
    /// Entries whose rule was not observed in a permutation of their case, and may fail there all the same.
    unseen: BTreeSet<RatchetEntry>,
}

impl<'p> Review<'p> {
    /// Begins with a file, and with what is run: a plan, the cases of which it has only a part, as `suite/case`, and options.
    pub fn new(
        ratchet: Ratchet,
        plan: &'p Plan,
        cut_cases: BTreeSet<String>,
        options: &Options,
    ) -> Review<'p> {
        let permutations = plan.permutations.iter().map(|one| (one.name.as_str(), one));
        let permutations: BTreeMap<_, _> = permutations.collect();
        Review {
            ratchet,
            options: options.clone(),
            open: permutations.keys().copied().collect(),
            permutations,
            suites: plan.suites.iter().map(String::as_str).collect(),
            cut: cut_cases,
            met: BTreeSet::new(),
            unseen: BTreeSet::new(),
        }
    }

    /// Takes the result of a permutation.
    pub fn take(&mut self, result: &PermutationResult) {
        let Some(permutation) = self.permutations.get(&*result.name) else { return };
        if result.outcome == Outcome::CouldNotRun {
            return;
        }
        self.open.remove(&*result.name);
        let profile = self.options.profile_of(&permutation.suite);
        let unknown = failing(&result.findings, profile)
            .filter(|finding| permutation.known_for(&finding.rule).is_none());
        self.met.extend(unknown.map(|finding| RatchetEntry::of(&result.name, finding)));
        let is_unseen = |entry: &&RatchetEntry| {
            entry.case == case(&result.name) && result.rules.get(&entry.rule) == Some(&Verdict::NotObserved)
        };
        self.unseen.extend(self.ratchet.entries.keys().filter(is_unseen).cloned());
    }

    /// The entries of the file that can go: their case was run completely, their rule was observed and nothing like them failed,
    /// or the case is no longer in its suite.
    pub fn gone(&self) -> Vec<&RatchetEntry> {
        let open: BTreeSet<&str> = self.open.iter().map(|name| case(name)).collect();
        let is_whole = |entry: &RatchetEntry| {
            let suite = entry.case.split('/').next().unwrap_or_default();
            self.suites.contains(suite)
                && !self.cut.contains(&entry.case)
                && !open.contains(&*entry.case)
                && !self.unseen.contains(entry)
        };
        let entries = self.ratchet.entries.keys();
        entries.filter(|entry| is_whole(entry) && !self.met.contains(entry)).collect()
    }

    /// The file after the run: without what can go, with what failed.
    pub fn updated(&self) -> Ratchet {
        let mut updated = self.ratchet.clone();
        for entry in self.gone() {
            updated.entries.remove(entry);
        }
        for entry in &self.met {
            updated.entries.entry(entry.clone()).or_default();
        }
        updated
    }

    /// How many entries the run adds to the file.
    pub fn added(&self) -> usize {
        self.met.iter().filter(|entry| !self.ratchet.entries.contains_key(entry)).count()
    }
}

#[cfg(test)]
mod tests;
