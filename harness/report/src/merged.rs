//! JSON reports read back and put together, as one run would have told it: what `spanwise merge` shows.
//!
//! The reports are of shards of one run, or of runs of different suites. Nothing is judged again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use spanwise_model::{Finding, Part, PermutationResult, RunEvent, Summary};

use crate::document::{Document, FindingJson, PermutationJson, SCHEMA_VERSION};
use crate::progress::count;

/// Reports put together.
#[derive(Debug, Default)]
pub struct Merged {
    results: BTreeMap<String, (String, PermutationResult)>,
    strays: Vec<Finding>,
    strays_fail: bool,
    /// All durations together: shards run side by side, on machines of their own.
    duration_ms: u64,
    /// The reports of runs that were broken off.
    broken_off: Vec<String>,
    /// What came of runs that machines share, by what the reports say of all their parts.
    shared: BTreeMap<Part, Shared>,
}

/// The parts of a run that came.
#[derive(Debug, Default)]
struct Shared {
    numbers: BTreeSet<usize>,
    permutations: usize,
    is_broken_off: bool,
}

/// Why a report cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// It is no JSON.
    #[error("{file}:{line}:{column}: this is no JSON report of spanwise: {why}")]
    NoReport {
        /// The report.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the reader says.
        why: String,
    },
    /// A report of another version of the schema.
    #[error(
        "{file} has version {found} of the report's schema, and this spanwise reads version {read}; write and merge \
         reports with the same release",
        read = SCHEMA_VERSION
    )]
    Version {
        /// The report.
        file: String,
        /// The version that it has.
        found: u64,
    },
    /// A permutation that a report before it has, too.
    #[error(
        "{name} is in {one} and in {other}; merge shards of one run (`--shard K/N` with the same N), or runs of \
         different suites"
    )]
    Twice {
        /// The permutation.
        name: String,
        /// The report that had it.
        one: String,
        /// The report that has it, too.
        other: String,
    },
}

/// The part of a report that every version has.
#[derive(Deserialize)]
struct Head {
    schema_version: u64,
}

impl Merged {
    /// Takes one more report; `file` is its name in messages, `text` what it holds.
    ///
    /// # Errors
    /// No report, one of another version, or one that tells of a permutation that was told of already.
    pub fn take(&mut self, file: &str, text: &str) -> Result<(), MergeError> {
        let unreadable = |error: serde_json::Error| MergeError::NoReport {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            // The place stands before it.
            why: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
        };
        let head: Head = serde_json::from_str(text).map_err(unreadable)?;
        if head.schema_version != u64::from(SCHEMA_VERSION) {
            return Err(MergeError::Version { file: file.to_owned(), found: head.schema_version });
        }
        let document: Document = serde_json::from_str(text).map_err(unreadable)?;
        if let Some(part) = document.shard {
            let number = part.number;
            let shared = self.shared.entry(Part { number: 0, ..part }).or_default();
            shared.numbers.insert(number);
            shared.permutations += document.permutations.len();
            shared.is_broken_off |= document.duration_ms.is_none();
        }
        for result in document.permutations.into_iter().map(PermutationJson::into_result) {
            let (name, from) = (result.name.clone(), file.to_owned());
            if let Some((one, _)) = self.results.insert(name.clone(), (from, result)) {
                return Err(MergeError::Twice { name, one, other: file.to_owned() });
            }
        }
        self.strays.extend(document.strays.into_iter().map(FindingJson::into_finding));
        self.strays_fail |= document.strays_fail;
        match document.duration_ms {
            Some(duration) => self.duration_ms += duration,
            None => self.broken_off.push(file.to_owned()),
        }
        Ok(())
    }

    /// Whether a finding that belongs to no permutation fails the run.
    pub fn strays_fail(&self) -> bool {
        self.strays_fail
    }

    /// The findings that belong to no permutation. A merged report has none where a run was broken off.
    pub fn strays(&self) -> &[Finding] {
        &self.strays
    }

    /// The reports of runs that were broken off, which say nothing of what they did not get to.
    pub fn broken_off(&self) -> &[String] {
        &self.broken_off
    }

    /// The shards whose reports did not come, where permutations are missing for it: a sentence for each run that was split.
    pub fn missing(&self) -> Vec<String> {
        let sentence = |(part, shared): (&Part, &Shared)| {
            let Part { of, permutations, .. } = *part;
            let missing: Vec<String> = (1..=of)
                .filter(|number| !shared.numbers.contains(number))
                .map(|number| format!("{number}/{of}"))
                .collect();
            let untold = permutations.saturating_sub(shared.permutations);
            // A shard that has nothing to run writes no report. Of one that was broken off, that is said.
            (untold > 0 && !(missing.is_empty() && shared.is_broken_off)).then(|| {
                let all = count(permutations, "permutation");
                let untold = format!("{untold} of {all} are in none of these reports");
                match missing.as_slice() {
                    [] => untold,
                    [one] => format!("the report of shard {one} is missing: {untold}"),
                    several => {
                        format!("the reports of the shards {} are missing: {untold}", several.join(", "))
                    }
                }
            })
        };
        self.shared.iter().filter_map(sentence).collect()
    }

    /// How the permutations ended.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.results.values().for_each(|(_, result)| summary.add(result.outcome));
        summary
    }

    /// What one run would have told. Where a run was broken off, or a shard is missing, there is no [`RunEvent::Ended`].
    pub fn into_events(self) -> Vec<RunEvent> {
        let summary = self.summary();
        let is_whole = self.broken_off.is_empty() && self.missing().is_empty();
        let Merged { results, strays, strays_fail, duration_ms, .. } = self;
        let mut suites: Vec<String> = results.keys().map(|name| suite(name).to_owned()).collect();
        suites.dedup();
        let mut events = vec![RunEvent::Started { suites, permutations: results.len(), part: None }];
        events.extend(results.into_values().map(|(_, result)| RunEvent::Finished(Box::new(result))));
        if is_whole {
            events.push(RunEvent::Ended { strays, strays_fail, summary, duration_ms });
        }
        events
    }
}

/// The suite of a permutation.
pub(crate) fn suite(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}
