//! What the run loop tells the reporters, as it happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Finding, Outcome, Source, TraceId, Verdict};

/// One event of a run. Every reporter sees the same stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEvent {
    /// The plan is made; nothing is started yet.
    Started {
        /// The suites' names.
        suites: Vec<String>,
        /// How many permutations will run.
        permutations: usize,
    },
    /// A service instance is ready.
    ServiceReady {
        /// Which.
        source: Source,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// A service instance did not get ready, or ended too early.
    ServiceFailed {
        /// Which.
        source: Source,
        /// Why, with the last lines of its output.
        reason: String,
    },
    /// A stub was asked for what it has no answer to, and answered 404. Told once for each such request of a lane's services.
    StubUnmatched {
        /// The stub's name in the suite.
        stub: String,
        /// Method and path of the request, without its query; secrets in it are replaced.
        request: String,
        /// The requests that it answers: `POST /charge`, or a path alone.
        known: Vec<String>,
    },
    /// Permutations were driven to their end; their results follow, once all that must agree with them have come.
    Observed {
        /// How many more.
        permutations: usize,
    },
    /// A permutation ended.
    Finished(Box<PermutationResult>),
    /// All permutations ended.
    Ended {
        /// Findings that belong to no permutation.
        strays: Vec<Finding>,
        /// Whether one of them fails the run, under the profile that it was found with.
        strays_fail: bool,
        /// Counts of outcomes.
        summary: Summary,
        /// How long the run took, in milliseconds.
        duration_ms: u64,
    },
}

/// One permutation's result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PermutationResult {
    /// The full name.
    pub name: String,
    /// The name of the group whose permutations must agree, which share one snapshot.
    pub group: String,
    /// How it ended.
    pub outcome: Outcome,
    /// From its first request until its answers, and what was waited for after them, had come, in milliseconds; 0 for
    /// what was not driven. Starting and ending its services is not part of it: others share them.
    pub duration_ms: u64,
    /// Its traces, the driver's first.
    pub traces: Vec<TraceSummary>,
    /// What each rule says; results in which all rules say the same may share it.
    pub rules: Arc<BTreeMap<String, Verdict>>,
    /// What is wrong; root causes and their consequences.
    pub findings: Vec<Finding>,
    /// Why it could not run, or which known failure it met.
    pub reason: Option<String>,
}

/// One trace of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceSummary {
    /// Its id.
    pub trace_id: TraceId,
    /// How many spans it has, the driver's aside.
    pub spans: usize,
    /// Its tree in the notation.
    pub tree: String,
}

/// Counts of outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // The fields are the outcomes.
pub struct Summary {
    pub passed: usize,
    pub failed: usize,
    pub failed_as_known: usize,
    pub unexpectedly_passed: usize,
    pub could_not_run: usize,
}

impl Summary {
    /// Counts one more outcome.
    pub fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Failed => &mut self.failed,
            Outcome::FailedAsKnown => &mut self.failed_as_known,
            Outcome::UnexpectedlyPassed => &mut self.unexpectedly_passed,
            Outcome::CouldNotRun => &mut self.could_not_run,
        };
        *count += 1;
    }
}
