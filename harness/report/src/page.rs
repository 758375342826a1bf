//! Results as text: trees and findings, as the terminal shows them. Also the text of a failure in JUnit and Markdown.

use std::collections::HashMap;
use std::io::{self, Write};

use spanwise_model::{Finding, Hop, Level, LogRecord, Outcome, PermutationResult};

use crate::blocks::{Block, Share};
use crate::findings::{RootCause, root_causes, span_path};
use crate::paint::{Paint, clean};
use crate::progress::count;
use crate::rounds;
use crate::snapshot::distinct;

/// Trees shown of one permutation with many traces; all of them are in the JSON report.
const MOST_TREES: usize = 5;
/// Root causes shown of one permutation, and consequences of one root cause.
const MOST_FINDINGS: usize = 20;

/// What the report is written on.
pub(crate) struct Page<'w, W> {
    pub(crate) out: &'w mut W,
    pub(crate) paint: Paint,
}

/// Everything about one result but its name, without color: why it ended so, its trees, its findings.
pub fn described(result: &PermutationResult) -> String {
    let trees = distinct(result.traces.iter().map(|trace| trace.tree.as_str()));
    on_paper(|page| page.body(result, &trees, false))
}

/// Findings as text without color.
pub(crate) fn findings_described(findings: &[Finding]) -> String {
    on_paper(|page| page.findings(findings))
}

fn on_paper(write: impl FnOnce(&mut Page<'_, Vec<u8>>) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    // A vector takes everything.
    let _ = write(&mut Page { out: &mut out, paint: Paint { colors: false } });
    String::from_utf8_lossy(&out).into_owned()
}

impl<W: Write> Page<'_, W> {
    pub(crate) fn block(&mut self, block: &Block<'_>) -> io::Result<()> {
        let outcome = block.sample.outcome;
        let words = self.paint.outcome(outcome, &outcome.as_str().replace('_', " "));
        for share in &block.shares {
            let name = self.paint.bold(&clean(share.group));
            writeln!(self.out, "{words}  {name}{}", self.paint.faint(&extent(share)))?;
        }
        self.body(block.sample, &block.trees, block.members() > 1)?;
        writeln!(self.out)
    }

    /// All but the names. Where the result stands for several, it says from which of them the findings are.
    fn body(
        &mut self,
        result: &PermutationResult,
        trees: &[(&str, usize)],
        is_one_of_several: bool,
    ) -> io::Result<()> {
        if let Some(reason) = &result.reason {
            self.lines("  ", reason)?;
        }
        if let Some(words) = result.rounds.as_ref().and_then(rounds::in_words) {
            self.lines("  ", &words)?;
        }
        let counted = trees.iter().any(|(_, traces)| *traces > 1);
        for (tree, traces) in trees.iter().take(MOST_TREES) {
            if counted {
                writeln!(self.out, "  {} like this:", count(*traces, "trace"))?;
            }
            self.lines("    ", tree)?;
        }
        self.more(trees.len().saturating_sub(MOST_TREES), "distinct trace")?;
        if is_one_of_several && !result.findings.is_empty() {
            let note = format!("  as found in {}:", clean(&result.name));
            writeln!(self.out, "{}", self.paint.faint(&note))?;
        }
        self.findings(&result.findings)?;
        self.logs(&result.logs)?;
        if let Some(command) = result.repeat.as_ref().filter(|_| needs_a_person(result.outcome)) {
            writeln!(self.out, "  {} {}", self.paint.faint("again:"), clean(command))?;
        }
        Ok(())
    }

    pub(crate) fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
        let causes = alike(root_causes(findings));
        let mut last: Option<(&str, Level)> = None;
        for (cause, others) in causes.iter().take(MOST_FINDINGS) {
            let this = (&*cause.finding.rule, cause.finding.level);
            // An old instrumentation has a dozen warnings of one rule, which differ in a word.
            if last == Some(this) && this.1 < Level::Violation {
                let message = clean(&cause.finding.message).replace('\n', " ");
                writeln!(self.out, "    {} {message}", self.paint.faint(&format!("{:<9}", "also")))?;
            } else {
                self.finding(cause.finding, *others)?;
            }
            last = Some(this);
            for finding in cause.explains.iter().take(MOST_FINDINGS) {
                let level = self.paint.level(finding.level, finding.level.as_str());
                let message = clean(&finding.message).replace('\n', " ");
                writeln!(self.out, "    explains  {level} {}: {message}", finding.rule)?;
            }
            self.more(cause.explains.len().saturating_sub(MOST_FINDINGS), "consequence")?;
        }
        let rest = causes.iter().skip(MOST_FINDINGS).map(|(_, others)| 1 + others).sum();
        self.more(rest, "root cause")
    }

    /// A finding, and on how many other spans there is one that says the same.
    fn finding(&mut self, finding: &Finding, others: usize) -> io::Result<()> {
        let level = self.paint.level(finding.level, finding.level.as_str());
        writeln!(self.out, "  {level} {}", self.paint.bold(&finding.rule))?;
        self.lines("    ", &finding.message)?;
        let service = finding.service.clone().filter(|_| finding.span_path.is_empty());
        let span = Some(span_path(&finding.span_path)).filter(|path| !path.is_empty());
        let fields = [
            ("service", &service),
            ("span", &span),
            ("expected", &finding.expected),
            ("actual", &finding.actual),
        ];
        for (name, text) in fields {
            if let Some(text) = text {
                let text = clean(text).replace('\n', "\n              ");
                writeln!(self.out, "    {} {text}", self.paint.faint(&format!("{name:<9}")))?;
            }
            if name == "span" && others > 0 {
                writeln!(self.out, "              and {} more like it", count(others, "span"))?;
            }
        }
        finding.hop.as_ref().map_or(Ok(()), |hop| self.hop(hop))
    }

    /// The hop with the headers seen on it, or that there were none.
    fn hop(&mut self, hop: &Hop) -> io::Result<()> {
        let Hop { from, to, transport, headers } = hop;
        let name = self.paint.faint(&format!("{:<9}", "wire"));
        let none = if headers.is_empty() { ", no context header" } else { "" };
        writeln!(self.out, "    {name} {} -> {} over {}{none}", clean(from), clean(to), clean(transport))?;
        for header in headers {
            writeln!(self.out, "                {}: {}", clean(&header.name), clean(&header.value))?;
        }
        Ok(())
    }

    fn lines(&mut self, indent: &str, text: &str) -> io::Result<()> {
        clean(text).trim_end().lines().try_for_each(|line| writeln!(self.out, "{indent}{line}"))
    }

    fn more(&mut self, number: usize, noun: &str) -> io::Result<()> {
        if number == 0 {
            return Ok(());
        }
        writeln!(self.out, "    … and {} more; all are in the JSON report", count(number, noun))
    }

    /// What services wrote, each line behind the name of its writer.
    fn logs(&mut self, logs: &[LogRecord]) -> io::Result<()> {
        if !logs.is_empty() {
            writeln!(self.out, "  {}", self.paint.faint("what its services wrote:"))?;
        }
        for LogRecord { source, line, .. } in logs {
            let source = self.paint.faint(&format!("{source} |"));
            writeln!(self.out, "    {source} {}", clean(line).replace('\n', " "))?;
        }
        Ok(())
    }
}

/// Whether somebody will want to run it again.
fn needs_a_person(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Passed | Outcome::FailedAsKnown)
}

/// How much of its group a share is, and by what it is told from the rest.
pub(crate) fn extent(share: &Share<'_>) -> String {
    let Share { members, of, narrowed, exact, .. } = share;
    if *of == 1 {
        return String::new();
    }
    if members == of {
        return format!("  ({})", count(*of, "permutation"));
    }
    let place = match (narrowed.is_empty(), exact) {
        (true, _) => String::new(),
        (false, true) => format!(": all with {}", narrowed.join(" ")),
        (false, false) => format!(": some with {}", narrowed.join(" ")),
    };
    format!("  ({members} of {}{place})", count(*of, "permutation"))
}

/// Root causes that say the same of different spans are shown once, with the number of the others.
fn alike(causes: Vec<RootCause<'_>>) -> Vec<(RootCause<'_>, usize)> {
    let mut places = HashMap::new();
    let mut alike: Vec<(RootCause<'_>, usize)> = Vec::new();
    for cause in causes {
        let Finding { rule, level, message, expected, actual, hop, span_path, .. } = cause.finding;
        let stands_alone = hop.is_some() || span_path.is_empty() || !cause.explains.is_empty();
        let key = (!stands_alone).then_some((rule, level.as_str(), message, expected, actual));
        match key.map(|key| *places.entry(key).or_insert(alike.len())) {
            Some(place) if place < alike.len() => alike[place].1 += 1,
            _ => alike.push((cause, 0)),
        }
    }
    alike
}
