//! What a reporter was told that writes when all is over: terminal, JUnit, Markdown and annotations keep this.

use spanwise_model::{Finding, PermutationResult, RunEvent, Summary};

/// The results of a run, and how it ended.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) results: Vec<PermutationResult>,
    pub(crate) strays: Vec<Finding>,
    /// Whether one of the strays fails the run.
    pub(crate) strays_fail: bool,
    /// Absent until the run ended by itself.
    pub(crate) duration_ms: Option<u64>,
}

impl Told {
    /// Keeps what an event says of it.
    pub(crate) fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Finished(result) => self.results.push((**result).clone()),
            RunEvent::Ended { strays, strays_fail, duration_ms, .. } => {
                self.strays.clone_from(strays);
                self.strays_fail = *strays_fail;
                self.duration_ms = Some(*duration_ms);
            }
            RunEvent::Started { .. }
            | RunEvent::Building { .. }
            | RunEvent::ServiceReady { .. }
            | RunEvent::ServiceFailed { .. }
            | RunEvent::StubUnmatched { .. }
            | RunEvent::Observed { .. }
            | RunEvent::Found { .. }
            | RunEvent::InRound(_) => {}
        }
    }

    /// Permutations end in whatever order they end; the report of the same results is the same.
    pub(crate) fn sort(&mut self) {
        self.results.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Counts of outcomes.
    pub(crate) fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        self.results.iter().for_each(|result| summary.add(result.outcome));
        summary
    }

    /// When it ended, for the end of a sentence.
    pub(crate) fn end(&self) -> String {
        match self.duration_ms {
            Some(millis) => format!("in {}.{} s", millis / 1000, millis % 1000 / 100),
            None => "when the run was broken off".to_owned(),
        }
    }
}
