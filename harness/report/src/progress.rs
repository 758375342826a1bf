//! What is going on, in plain lines on standard error: how much there is to do, that services are up, how far the run
//! is, and at once whatever could not start. Results are the other reporters' to show.

use std::io::{self, Write};

use spanwise_model::{Outcome, RunEvent, Summary};

use crate::Reporter;
use crate::paint::clean;

/// Into how many steps the way is divided.
const STEPS: usize = 10;

/// Writes progress in plain lines.
#[derive(Debug)]
pub struct Progress<W> {
    out: W,
    /// Says only what could not start.
    quiet: bool,
    permutations: usize,
    ready: usize,
    said_ready: usize,
    finished: usize,
    summary: Summary,
}

impl<W: Write> Progress<W> {
    /// A reporter that writes to `out`; a quiet one says only what could not start.
    pub fn new(out: W, quiet: bool) -> Progress<W> {
        Progress {
            out,
            quiet,
            permutations: 0,
            ready: 0,
            said_ready: 0,
            finished: 0,
            summary: Summary::default(),
        }
    }

    fn finished(&mut self, outcome: Outcome) -> io::Result<()> {
        self.finished += 1;
        self.summary.add(outcome);
        let step = |finished: usize| finished * STEPS / self.permutations.max(1);
        if self.quiet || step(self.finished) == step(self.finished - 1) {
            return Ok(());
        }
        if self.ready > self.said_ready {
            self.said_ready = self.ready;
            writeln!(self.out, "{} ready", count(self.ready, "service instance"))?;
        }
        let failed = self.summary.failed + self.summary.unexpectedly_passed;
        writeln!(self.out, "{}/{} permutations done, {failed} failed", self.finished, self.permutations)
    }
}

impl<W: Write> Reporter for Progress<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Started { suites, permutations } => {
                self.permutations = *permutations;
                if self.quiet {
                    return Ok(());
                }
                writeln!(self.out, "{}: {}", suites.join(", "), count(*permutations, "permutation"))
            }
            RunEvent::ServiceReady { .. } => {
                self.ready += 1;
                Ok(())
            }
            RunEvent::ServiceFailed { source, reason } => {
                writeln!(self.out, "{source} could not run: {}", clean(reason).replace('\n', "\n  "))
            }
            RunEvent::Finished(result) => self.finished(result.outcome),
            RunEvent::Ended { .. } => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A number with its noun: `1 permutation`, `36 permutations`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
