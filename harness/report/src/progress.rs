//! What is going on, in plain lines on standard error: how much there is to do, that services are up, how far the run
//! is, and at once whatever could not start and the first finding of a rule. Results are the other reporters' to show.

use std::collections::HashSet;
use std::io::{self, Write};

use spanwise_model::{Finding, RunEvent};

use crate::Reporter;
use crate::paint::clean;

/// Into how many steps the way is divided.
const STEPS: usize = 10;

/// Writes progress in plain lines.
#[derive(Debug)]
pub struct Progress<W> {
    out: W,
    /// Says only what went wrong.
    quiet: bool,
    permutations: usize,
    ready: usize,
    driven: usize,
    failed: usize,
    /// Whether it was told of single rounds.
    has_rounds: bool,
    /// What is said once.
    told: HashSet<String>,
}

impl<W: Write> Progress<W> {
    /// A reporter that writes to `out`; a quiet one says only what could not start, and what stubs had no answer to.
    pub fn new(out: W, quiet: bool) -> Progress<W> {
        Progress {
            out,
            quiet,
            permutations: 0,
            ready: 0,
            driven: 0,
            failed: 0,
            has_rounds: false,
            told: HashSet::new(),
        }
    }

    /// Says so at one, two, four and so on: the first services are waited for, the others are one of many.
    fn ready(&mut self) -> io::Result<()> {
        self.ready += 1;
        if self.quiet || !self.ready.is_power_of_two() {
            return Ok(());
        }
        writeln!(self.out, "{} ready", count(self.ready, "service instance"))
    }

    /// Settings repeat what their services ask for; once is enough.
    fn unmatched(&mut self, stub: &str, request: &str, known: &[String]) -> io::Result<()> {
        let line = unmatched(stub, request, known);
        if !self.told.insert(line.clone()) {
            return Ok(());
        }
        writeln!(self.out, "{line}")
    }

    /// Results come late, when all that must agree have been driven, so it is what was driven that tells how far the run is.
    fn driven(&mut self, permutations: usize) -> io::Result<()> {
        let step = |driven: usize| driven * STEPS / self.permutations.max(1);
        let before = self.driven;
        self.driven += permutations;
        if self.quiet || step(self.driven) == step(before) {
            return Ok(());
        }
        let Progress { driven, permutations, failed, .. } = self;
        writeln!(self.out, "{driven}/{permutations} permutations driven{}", and_failed(*failed))
    }
}

impl<W: Write> Reporter for Progress<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Started { suites, permutations, .. } => {
                self.permutations = *permutations;
                if self.quiet {
                    return Ok(());
                }
                writeln!(self.out, "{}: {}", suites.join(", "), count(*permutations, "permutation"))
            }
            RunEvent::Building { .. } if self.quiet => Ok(()),
            RunEvent::Building { service, command } => writeln!(self.out, "{}", building(service, command)),
            RunEvent::ServiceReady { .. } => self.ready(),
            RunEvent::ServiceFailed { source, reason } => {
                writeln!(self.out, "{source} could not run: {}", clean(reason).replace('\n', "\n  "))
            }
            RunEvent::StubUnmatched { stub, request, known } => self.unmatched(stub, request, known),
            RunEvent::Observed { permutations } => self.driven(*permutations),
            RunEvent::Found { .. } if self.quiet => Ok(()),
            RunEvent::Found { permutation, finding } => writeln!(self.out, "{}", found(permutation, finding)),
            RunEvent::InRound(result) => {
                self.has_rounds = true;
                self.failed += usize::from(result.fails());
                Ok(())
            }
            RunEvent::Finished(result) => {
                // What failed in a round was counted there.
                self.failed += usize::from(result.fails() && !self.has_rounds);
                Ok(())
            }
            RunEvent::Ended { .. } => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// How many failed, behind something else, if any did: each is counted when its result is told.
pub(crate) fn and_failed(failed: usize) -> String {
    if failed > 0 { format!(", {failed} failed") } else { String::new() }
}

/// By what a service is built, in one line for a terminal.
pub(crate) fn building(service: &str, command: &str) -> String {
    clean(&format!("{service} is built: {command}")).replace('\n', " ")
}

/// What is wrong with a permutation, in one line for a terminal.
pub(crate) fn found(permutation: &str, finding: &Finding) -> String {
    clean(&format!("{} in {permutation}: {}", finding.rule, finding.message)).replace('\n', " ")
}

/// What a stub had no answer to, in one line for a terminal.
pub(crate) fn unmatched(stub: &str, request: &str, known: &[String]) -> String {
    clean(&format!("the stub {stub} answered 404 to {request}: it knows {}", known.join(", ")))
}

/// A number with its noun: `1 permutation`, `36 permutations`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
