//! The report for a person: the tree of each distinct trace with the permutations that share it, then what is wrong
//! with it, root causes first; what failed stands last, just above the summary.

use std::io::{self, Write};

use spanwise_model::{Outcome, RunEvent};

use crate::Reporter;
use crate::blocks::{Block, blocks};
use crate::causes::{Frequent, frequent};
use crate::page::Page;
use crate::paint::Paint;
use crate::progress::count;
use crate::told::Told;

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
    told: Told,
}

impl<W: Write> Terminal<W> {
    /// A reporter that writes to `out`, in color or not.
    pub fn new(out: W, colors: bool) -> Terminal<W> {
        Terminal { out, paint: Paint { colors }, told: Told::default() }
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.told.take(event);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.told.sort();
        let mut page = Page { out: &mut self.out, paint: self.paint };
        let blocks = blocks(&self.told.results);
        for outcome in ORDER {
            let of_outcome = || blocks.iter().filter(|block| block.sample.outcome == outcome);
            let says_more = |block: &&Block<'_>| !block.sample.findings.is_empty();
            for block in of_outcome().filter(|block| !says_more(block)).chain(of_outcome().filter(says_more))
            {
                page.block(block)?;
            }
        }
        if !self.told.strays.is_empty() {
            writeln!(page.out, "{}", page.paint.bold("belongs to no permutation"))?;
            page.findings(&self.told.strays)?;
            writeln!(page.out)?;
        }
        self.summary()?;
        self.out.flush()
    }
}

impl<W: Write> Terminal<W> {
    fn summary(&mut self) -> io::Result<()> {
        let of = |outcome: Outcome| self.told.results.iter().filter(move |result| result.outcome == outcome);
        let lines =
            [("root causes", frequent(of(Outcome::Failed))), ("passed with", frequent(of(Outcome::Passed)))];
        for (name, rules) in lines.iter().filter(|(_, rules)| !rules.is_empty()) {
            let rules: Vec<String> = rules.iter().map(Frequent::in_words).collect();
            writeln!(self.out, "{name}: {}", rules.join(", "))?;
        }
        // One can be copied; of several whoever reads chooses.
        let rule = match &lines[0].1[..] {
            [] => None,
            [only] => Some(only.rule),
            _ => Some("RULE"),
        };
        if let Some(rule) = rule {
            writeln!(self.out, "how to fix: spanwise explain {rule}")?;
        }
        let counts: Vec<String> = self
            .told
            .summary()
            .counts()
            .into_iter()
            .filter(|(outcome, number)| *number > 0 || *outcome == Outcome::Passed)
            .map(|(outcome, number)| {
                let words = format!("{number} {}", outcome.as_str().replace('_', " "));
                if number > 0 { self.paint.outcome(outcome, &words) } else { words }
            })
            .collect();
        let end = self.told.end();
        let all = count(self.told.results.len(), "permutation");
        writeln!(self.out, "{all}: {} {end}", counts.join(", "))
    }
}
