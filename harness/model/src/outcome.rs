//! How a permutation ended.

use serde::{Deserialize, Serialize};

/// How a permutation ended. The five are never merged, and only the first is a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// No finding at a failing level.
    Passed,
    /// A finding at a failing level.
    Failed,
    /// It failed, and a known-failing or known-flaky entry says so.
    FailedAsKnown,
    /// A known-failing entry says it fails, and it does not: the entry is stale, and the run fails.
    UnexpectedlyPassed,
    /// It could not be run: a service that never got ready, a missing toolchain.
    CouldNotRun,
}

impl Outcome {
    /// The name in JSON reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::FailedAsKnown => "failed_as_known",
            Outcome::UnexpectedlyPassed => "unexpectedly_passed",
            Outcome::CouldNotRun => "could_not_run",
        }
    }
}
