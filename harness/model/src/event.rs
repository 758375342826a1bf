//! What the run loop tells the reporters, as it happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Finding, LogRecord, Outcome, Place, Source, TraceId, Verdict};

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
        /// Where several machines share what was selected, which part of it this is.
        part: Option<Part>,
    },
    /// What a service is built by is run, once for all its instances. It may take its time.
    Building {
        /// The service's name in the suite.
        service: String,
        /// The command; secrets in it are replaced.
        command: String,
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
    /// A rule fails a permutation, for the first time in the run, which is not at its end. The permutation's result follows when all
    /// that must agree with it have come; then another finding may turn out to explain this one. Where something is known to
    /// fail, this is told only then.
    Found {
        /// The permutation's full name.
        permutation: String,
        /// What is wrong.
        finding: Box<Finding>,
    },
    /// A permutation ended in one of several rounds. It is finished when all of them are over.
    InRound(Box<PermutationResult>),
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

/// A part of what was selected, of which other machines run the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Which, from 1.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
    /// How many permutations they have together.
    pub permutations: usize,
    /// The same for all parts of one selection: a hash of the permutations' names.
    pub selection: String,
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
    /// Where its case stands in the suite file; `None` where there is no suite.
    pub place: Option<Place>,
    /// How it ended each time, where it ran several times; everything else is then of the worst of them.
    pub rounds: Option<Rounds>,
    /// The command that runs it again, with what it was compared with and nothing else; `None` where there is none.
    pub repeat: Option<String>,
    /// What its services wrote about it; empty unless the run was asked to keep it, and where it did not fail.
    pub logs: Vec<LogRecord>,
}

impl PermutationResult {
    /// A result of which nothing is known but how it ended.
    pub fn new(name: impl Into<String>, group: impl Into<String>, outcome: Outcome) -> PermutationResult {
        PermutationResult {
            name: name.into(),
            group: group.into(),
            outcome,
            duration_ms: 0,
            traces: Vec::new(),
            rules: Arc::default(),
            findings: Vec::new(),
            reason: None,
            place: None,
            rounds: None,
            repeat: None,
            logs: Vec::new(),
        }
    }

    /// Whether it fails a run.
    pub fn fails(&self) -> bool {
        matches!(self.outcome, Outcome::Failed | Outcome::UnexpectedlyPassed)
    }
}

/// What came of a permutation that ran several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounds {
    /// How often it ended how.
    pub outcomes: Summary,
    /// How many different forests it gave where it ran; more than one where tracing does not always do the same.
    pub forests: usize,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The outcomes with their counts, passed first.
    pub fn counts(&self) -> [(Outcome, usize); 5] {
        [
            (Outcome::Passed, self.passed),
            (Outcome::Failed, self.failed),
            (Outcome::FailedAsKnown, self.failed_as_known),
            (Outcome::UnexpectedlyPassed, self.unexpectedly_passed),
            (Outcome::CouldNotRun, self.could_not_run),
        ]
    }

    /// How many there are in all.
    pub fn all(&self) -> usize {
        self.counts().into_iter().map(|(_, number)| number).sum()
    }
}
