//! The report for a person: the tree of each distinct trace with the permutations that share it, then what is wrong
//! with it, root causes first; what failed stands last, just above the summary.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

use spanwise_model::{Finding, Hop, Level, Outcome, PermutationResult, RunEvent, Summary};

use crate::Reporter;
use crate::blocks::{Block, Share, blocks};
use crate::findings::{RootCause, root_causes, span_path};
use crate::paint::{Paint, clean};
use crate::progress::count;

/// Trees shown of one permutation with many traces; all of them are in the JSON report.
const MOST_TREES: usize = 5;
/// Root causes shown of one permutation, and consequences of one root cause.
const MOST_FINDINGS: usize = 20;

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
        page.summary(&self.results, self.duration_ms)?;
        self.out.flush()
    }
}

/// What the report is written on.
struct Page<'w, W> {
    out: &'w mut W,
    paint: Paint,
}

impl<W: Write> Page<'_, W> {
    fn block(&mut self, block: &Block<'_>) -> io::Result<()> {
        let outcome = block.sample.outcome;
        let words = self.paint.outcome(outcome, &outcome.as_str().replace('_', " "));
        for share in &block.shares {
            let name = self.paint.bold(&clean(share.group));
            writeln!(self.out, "{words}  {name}{}", self.paint.faint(&extent(share)))?;
        }
        if let Some(reason) = &block.sample.reason {
            self.lines("  ", reason)?;
        }
        let counted = block.trees.iter().any(|(_, traces)| *traces > 1);
        for (tree, traces) in block.trees.iter().take(MOST_TREES) {
            if counted {
                writeln!(self.out, "  {} like this:", count(*traces, "trace"))?;
            }
            self.lines("    ", tree)?;
        }
        self.more(block.trees.len().saturating_sub(MOST_TREES), "distinct trace")?;
        if block.members() > 1 && !block.sample.findings.is_empty() {
            let note = format!("  as found in {}:", clean(&block.sample.name));
            writeln!(self.out, "{}", self.paint.faint(&note))?;
        }
        self.findings(&block.sample.findings)?;
        writeln!(self.out)
    }

    fn findings(&mut self, findings: &[Finding]) -> io::Result<()> {
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

    fn summary(&mut self, results: &[PermutationResult], duration_ms: Option<u64>) -> io::Result<()> {
        let lines = [
            ("root causes", frequent(results, Outcome::Failed)),
            ("passed with", frequent(results, Outcome::Passed)),
        ];
        for (name, rules) in lines.iter().filter(|(_, rules)| !rules.is_empty()) {
            writeln!(self.out, "{name}: {}", rules.join(", "))?;
        }
        let mut summary = Summary::default();
        results.iter().for_each(|result| summary.add(result.outcome));
        let counts = [
            (summary.passed, Outcome::Passed),
            (summary.failed, Outcome::Failed),
            (summary.failed_as_known, Outcome::FailedAsKnown),
            (summary.unexpectedly_passed, Outcome::UnexpectedlyPassed),
            (summary.could_not_run, Outcome::CouldNotRun),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(number, outcome)| *number > 0 || *outcome == Outcome::Passed)
            .map(|(number, outcome)| {
                let words = format!("{number} {}", outcome.as_str().replace('_', " "));
                if number > 0 { self.paint.outcome(outcome, &words) } else { words }
            })
            .collect();
        let end = match duration_ms {
            Some(millis) => format!("in {}.{} s", millis / 1000, millis % 1000 / 100),
            None => "when the run was broken off".to_owned(),
        };
        writeln!(self.out, "{}: {} {end}", count(results.len(), "permutation"), counts.join(", "))
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
}

/// How much of its group a share is, and by what it is told from the rest.
fn extent(share: &Share<'_>) -> String {
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

/// The root causes among the results of an outcome, each with its number of permutations, the most frequent first. Of a
/// permutation only those of its worst level count: they are what it takes to mend it.
fn frequent(results: &[PermutationResult], outcome: Outcome) -> Vec<String> {
    let mut rules: BTreeMap<(&str, Level), usize> = BTreeMap::new();
    for result in results.iter().filter(|result| result.outcome == outcome) {
        let causes = root_causes(&result.findings);
        let Some(worst) = causes.first().map(|cause| cause.finding.level) else { continue };
        let named: BTreeSet<&str> = causes
            .iter()
            .filter(|cause| cause.finding.level == worst)
            .map(|cause| &*cause.finding.rule)
            .collect();
        named.into_iter().for_each(|rule| *rules.entry((rule, worst)).or_default() += 1);
    }
    let mut rules: Vec<((&str, Level), usize)> = rules.into_iter().collect();
    rules.sort_by_key(|((rule, level), number)| (Reverse(*level), Reverse(*number), *rule));
    let show = |((rule, level), number): ((&str, Level), usize)| {
        let permutations = count(number, "permutation");
        match level {
            Level::Violation => format!("{rule} ({permutations})"),
            Level::Warning | Level::Information => format!("{} {rule} ({permutations})", level.as_str()),
        }
    };
    rules.into_iter().map(show).collect()
}
