//! The report for a person: the tree of each distinct trace with the permutations that share it, then what is wrong
//! with it, root causes first; what failed stands last, just above the summary.

use std::io::{self, Write};

use spanwise_model::{Finding, Outcome, PermutationResult, RunEvent, Summary};

use crate::Reporter;
use crate::blocks::{Block, blocks};
use crate::causes::{Frequent, frequent};
use crate::page::Page;
use crate::paint::Paint;
use crate::progress::count;

/// Outcomes in the order in which they are shown: what needs a person stands last.
const ORDER: [Outcome; 5] = [
    Outcome::Passed,
    Outcome::FailedAsKnown,
    Outcome::CouldNotRun,
    Outcome::UnexpectedlyPassed,
    Outcome::Failed,
];

/// Writes the report at the end of the run.
#[derive(Debug)]
pub struct Terminal<W> {
    out: W,
    paint: Paint,
    results: Vec<PermutationResult>,
    strays: Vec<Finding>,
    /// Absent until the run ended by itself.
    duration_ms: Option<u64>,
}

impl<W: Write> Terminal<W> {
    /// A reporter that writes to `out`, in color or not.
    pub fn new(out: W, colors: bool) -> Terminal<W> {
        Terminal { out, paint: Paint { colors }, results: Vec::new(), strays: Vec::new(), duration_ms: None }
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Finished(result) => self.results.push((**result).clone()),
            RunEvent::Ended { strays, duration_ms, .. } => {
                self.strays.clone_from(strays);
                self.duration_ms = Some(*duration_ms);
            }
            RunEvent::Started { .. }
            | RunEvent::ServiceReady { .. }
            | RunEvent::ServiceFailed { .. }
            | RunEvent::StubUnmatched { .. }
            | RunEvent::Observed { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        // Permutations end in whatever order they end; the report of the same results is the same.
        self.results.sort_by(|one, other| one.name.cmp(&other.name));
        let mut page = Page { out: &mut self.out, paint: self.paint };
        let blocks = blocks(&self.results);
        for outcome in ORDER {
            let of_outcome = || blocks.iter().filter(|block| block.sample.outcome == outcome);
            let says_more = |block: &&Block<'_>| !block.sample.findings.is_empty();
            for block in of_outcome().filter(|block| !says_more(block)).chain(of_outcome().filter(says_more))
            {
                page.block(block)?;
            }
        }
        if !self.strays.is_empty() {
            writeln!(page.out, "{}", page.paint.bold("belongs to no permutation"))?;
            page.findings(&self.strays)?;
            writeln!(page.out)?;
        }
        self.summary()?;
        self.out.flush()
    }
}

impl<W: Write> Terminal<W> {
    fn summary(&mut self) -> io::Result<()> {
        let of = |outcome: Outcome| self.results.iter().filter(move |result| result.outcome == outcome);
        let lines =
            [("root causes", frequent(of(Outcome::Failed))), ("passed with", frequent(of(Outcome::Passed)))];
        for (name, rules) in lines.iter().filter(|(_, rules)| !rules.is_empty()) {
            let rules: Vec<String> = rules.iter().map(Frequent::in_words).collect();
            writeln!(self.out, "{name}: {}", rules.join(", "))?;
        }
        let mut summary = Summary::default();
        self.results.iter().for_each(|result| summary.add(result.outcome));
        let counts: Vec<String> = summary
            .counts()
            .into_iter()
            .filter(|(outcome, number)| *number > 0 || *outcome == Outcome::Passed)
            .map(|(outcome, number)| {
                let words = format!("{number} {}", outcome.as_str().replace('_', " "));
                if number > 0 { self.paint.outcome(outcome, &words) } else { words }
            })
            .collect();
        let end = match self.duration_ms {
            Some(millis) => format!("in {}.{} s", millis / 1000, millis % 1000 / 100),
            None => "when the run was broken off".to_owned(),
        };
        let all = count(self.results.len(), "permutation");
        writeln!(self.out, "{all}: {} {end}", counts.join(", "))
    }
}
