//! The summary of a job as Markdown, for `$GITHUB_STEP_SUMMARY`: counts, root causes, and each distinct failure, folded.
//!
//! GitHub refuses a summary above 1 MiB as a whole, so this one stays below and says what it left out.

use std::io::{self, Write};

use spanwise_model::{Finding, Level, Outcome, RunEvent};

use crate::Reporter;
use crate::blocks::{Block, blocks};
use crate::causes::{frequent, worst};
use crate::page::{described, extent, findings_described};
use crate::progress::count;
use crate::told::Told;

/// The most that the whole may have, with room for what other tools write in the same step.
const MOST_BYTES: usize = 900 * 1024;
/// The most that one failure may have: a tree of thousands of spans must not take the place of all others.
const MOST_BYTES_OF_ONE: usize = 32 * 1024;

/// Writes Markdown at the end of the run.
#[derive(Debug)]
pub struct Markdown<W> {
    out: W,
    told: Told,
}

impl<W: Write> Markdown<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W) -> Markdown<W> {
        Markdown { out, told: Told::default() }
    }
}

impl<W: Write> Reporter for Markdown<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.told.take(event);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.told.sort();
        let mut text = head(&self.told);
        let blocks = blocks(&self.told.results);
        let mut left_out = 0;
        // What failed first: the summary may be cut.
        for outcome in [Outcome::Failed, Outcome::UnexpectedlyPassed, Outcome::CouldNotRun] {
            for block in blocks.iter().filter(|block| block.sample.outcome == outcome) {
                let section = folded(&title(block), &described(block.sample));
                if left_out > 0 || text.len() + section.len() > MOST_BYTES {
                    left_out += 1;
                } else {
                    text.push_str(&section);
                }
            }
        }
        if left_out > 0 {
            let failures = count(left_out, "distinct failure");
            text.push_str(&format!("\n… and {failures} more; all are in the JSON report.\n"));
        }
        if !self.told.strays.is_empty() {
            text.push_str(&folded("belongs to no permutation", &findings_described(&self.told.strays)));
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// Counts and root causes.
fn head(told: &Told) -> String {
    let results = &told.results;
    let counts = told.summary().counts().into_iter().filter(|(_, number)| *number > 0);
    let counts: Vec<String> =
        counts.map(|(outcome, number)| format!("{number} {}", outcome.as_str().replace('_', " "))).collect();
    let end = told.end();
    let all = count(results.len(), "permutation");
    let counts = if counts.is_empty() { "none ended".to_owned() } else { counts.join(", ") };
    let mut text = format!("## spanwise\n\n**{all}**: {counts} {end}\n");
    let of = |outcome: Outcome| results.iter().filter(move |result| result.outcome == outcome);
    for (title, outcome) in
        [("root cause", Outcome::Failed), ("known", Outcome::FailedAsKnown), ("passed with", Outcome::Passed)]
    {
        let causes = frequent(of(outcome));
        if causes.is_empty() {
            continue;
        }
        text.push_str(&format!("\n| {title} | level | permutations | for example |\n|---|---|---:|---|\n"));
        for cause in causes {
            let says = |finding: &&Finding| finding.rule == cause.rule;
            let example = of(outcome).find_map(|result| worst(result).into_iter().find(says));
            let example = example.map_or(String::new(), |finding| cell(&finding.message));
            let level = match cause.level {
                Level::Violation => "**violation**",
                other => other.as_str(),
            };
            text.push_str(&format!("| `{}` | {level} | {} | {example} |\n", cause.rule, cause.permutations));
        }
    }
    text
}

/// The names and numbers of a block.
fn title(block: &Block<'_>) -> String {
    let outcome = block.sample.outcome.as_str().replace('_', " ");
    let shares = block.shares.iter().map(|share| format!("{}{}", share.group, extent(share)));
    let shares: Vec<String> = shares.take(3).collect();
    let more = block.shares.len() - shares.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{outcome}: {}{more}", shares.join(", "))
}

/// A section that opens by a click. Text of services stands in a fence that is longer than any in it.
fn folded(title: &str, text: &str) -> String {
    let (text, cut) = cut(text, MOST_BYTES_OF_ONE);
    let cut = if cut { "\n… cut here; all of it is in the JSON report" } else { "" };
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let (title, text) = (html(title), text.trim_end());
    format!("\n<details><summary>{title}</summary>\n\n{fence}text\n{text}{cut}\n{fence}\n\n</details>\n")
}

/// The beginning of a text that has at most so many bytes, and whether that is not all.
fn cut(text: &str, most: usize) -> (&str, bool) {
    if text.len() <= most {
        return (text, false);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    (&text[..end], true)
}

/// Text that HTML takes for text.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', " ")
}

/// Text in the cell of a table, none of whose characters is taken for Markdown.
fn cell(text: &str) -> String {
    let (text, is_cut) = cut(text, 300);
    let mut cell = String::new();
    for c in text.chars() {
        match c {
            '&' => cell.push_str("&amp;"),
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            c if c.is_control() => cell.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' | '@' => cell.extend(['\\', c]),
            c => cell.push(c),
        }
    }
    if is_cut { cell + "…" } else { cell }
}

#[cfg(test)]
mod tests {
    use spanwise_model::PermutationResult;

    use super::*;

    #[test]
    fn text_of_services_stays_text() {
        let check = |text: &str, expected: &str| assert_eq!(cell(text), expected);
        check("a|b `c` <d>\n*e*", "a\\|b \\`c\\` &lt;d&gt; \\*e\\*");
        check(&"é".repeat(300), &("é".repeat(150) + "…"));
        let shown = folded("<b>", "```\n````x\n");
        assert!(shown.contains("<summary>&lt;b&gt;</summary>\n\n`````text\n```\n````x\n`````\n"), "{shown}");
    }

    #[test]
    fn a_summary_stays_below_what_github_takes() {
        let mut markdown = Markdown::new(Vec::new());
        for number in 0..100 {
            let name = format!("demo/case-{number}");
            let mut result = PermutationResult::new(name.as_str(), name.as_str(), Outcome::CouldNotRun);
            result.reason = Some(format!("{number}: {}", "out of luck ".repeat(10_000)));
            markdown.on_event(&RunEvent::Finished(Box::new(result))).expect("a vector takes all");
        }
        markdown.finish().expect("a vector takes all");
        let text = String::from_utf8(markdown.out).expect("text");
        assert!(text.len() < 1024 * 1024, "{}", text.len());
        assert!(
            text.contains("cut here") && text.contains("distinct failures more; all are in"),
            "{}",
            text.len()
        );
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
    }
}
