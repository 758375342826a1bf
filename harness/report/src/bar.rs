//! What is going on, where standard error is a terminal: a line that moves and is gone in the end. What could not start, and the
//! first finding of a rule, stays above it. `progress` says the same in lines.

use std::collections::BTreeSet;
use std::io;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use spanwise_model::RunEvent;

use crate::Reporter;
use crate::paint::clean;
use crate::progress::{and_failed, building, found, unmatched};

/// Shows a bar of the permutations that were driven.
#[derive(Debug)]
pub struct Bar {
    bar: ProgressBar,
    ready: usize,
    failed: usize,
    /// Whether it was told of single rounds.
    has_rounds: bool,
    /// What stubs had no answer to: settings repeat what their services ask for.
    told: BTreeSet<String>,
}

impl Bar {
    /// A bar on standard error.
    pub fn new() -> Bar {
        Bar::on(ProgressDrawTarget::stderr())
    }

    /// A bar on any terminal.
    pub fn on(target: ProgressDrawTarget) -> Bar {
        let bar = ProgressBar::with_draw_target(None, target);
        // A template without its fields is a mistake of ours; the bar then looks plain.
        if let Ok(style) = ProgressStyle::with_template("{elapsed:>4} {wide_bar} {pos}/{len} driven{msg}") {
            bar.set_style(style.progress_chars("━╸ "));
        }
        Bar { bar, ready: 0, failed: 0, has_rounds: false, told: BTreeSet::new() }
    }

    fn say(&self) {
        let Bar { ready, failed, .. } = self;
        self.bar.set_message(format!("{}, {ready} started", and_failed(*failed)));
    }
}

impl Default for Bar {
    fn default() -> Bar {
        Bar::new()
    }
}

impl Reporter for Bar {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Started { permutations, .. } => self.bar.set_length(*permutations as u64),
            RunEvent::Building { service, command } => self.bar.println(building(service, command)),
            RunEvent::ServiceReady { .. } => self.ready += 1,
            RunEvent::ServiceFailed { source, reason } => {
                let reason = clean(reason).replace('\n', "\n  ");
                self.bar.println(format!("{source} could not run: {reason}"));
            }
            RunEvent::StubUnmatched { stub, request, known } => {
                let line = unmatched(stub, request, known);
                if self.told.insert(line.clone()) {
                    self.bar.println(line);
                }
            }
            RunEvent::Observed { permutations } => self.bar.inc(*permutations as u64),
            RunEvent::Found { permutation, finding } => self.bar.println(found(permutation, finding)),
            RunEvent::InRound(result) => {
                self.has_rounds = true;
                self.failed += usize::from(result.fails());
            }
            // What failed in a round was counted there.
            RunEvent::Finished(result) => self.failed += usize::from(result.fails() && !self.has_rounds),
            RunEvent::Ended { .. } => {}
        }
        self.say();
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.bar.finish_and_clear();
        Ok(())
    }
}
