//! Annotations of GitHub Actions: workflow commands that make a root cause appear at the case in the suite file.
//!
//! GitHub shows ten of a level for each step and drops the rest, so a root cause is told once a case, the most frequent first,
//! and the tenth says what there is besides. Format and escapes:
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>.

use std::collections::BTreeMap;
use std::io::{self, Write};

use indexmap::IndexMap;
use spanwise_model::{Level, Outcome, PermutationResult, Place, RunEvent};

use crate::Reporter;
use crate::causes::worst;
use crate::paint::clean;
use crate::progress::count;
use crate::told::Told;

/// How many of a level GitHub shows of a step.
const SHOWN: usize = 10;

/// Writes workflow commands at the end of the run.
#[derive(Debug)]
pub struct Annotations<W, P> {
    out: W,
    path: P,
    told: Told,
}

/// One annotation before it is written.
struct Annotation {
    place: Option<Place>,
    title: String,
    message: String,
    permutations: usize,
    /// A permutation that it is about.
    example: String,
}

/// The workflow command of a level.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Command {
    Error,
    Warning,
    Notice,
}

impl<W: Write, P: Fn(&str) -> String> Annotations<W, P> {
    /// A reporter that writes to `out`. `path` makes the path of a suite file one that GitHub knows: below the root of the
    /// repository.
    pub fn new(out: W, path: P) -> Annotations<W, P> {
        Annotations { out, path, told: Told::default() }
    }

    fn write(&mut self, command: Command, annotations: Vec<Annotation>) -> io::Result<()> {
        let all = annotations.len();
        for (at, one) in annotations.iter().enumerate().take(SHOWN) {
            let mut properties = Vec::new();
            if let Some(Place { file, line, column }) = &one.place {
                properties.push(format!("file={}", property(&(self.path)(file))));
                properties.push(format!("line={line}"));
                properties.push(format!("col={column}"));
            }
            properties.push(format!("title={}", property(&one.title)));
            let mut message = one.message.clone();
            if !one.example.is_empty() {
                let permutations = count(one.permutations, "permutation");
                message.push_str(&format!("\nIn {permutations}, such as {}", one.example));
            }
            if at + 1 == SHOWN && all > SHOWN {
                let others: Vec<&str> = annotations[SHOWN..].iter().map(|one| one.title.as_str()).collect();
                message.push_str(&format!("\nAnd {} more: {}", all - SHOWN, others.join(", ")));
            }
            let word = command.word();
            writeln!(self.out, "::{word} {}::{}", properties.join(","), data(&message))?;
        }
        Ok(())
    }
}

impl<W: Write, P: Fn(&str) -> String> Reporter for Annotations<W, P> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.told.take(event);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.told.sort();
        let mut all: BTreeMap<Command, Vec<Annotation>> = BTreeMap::new();
        for ((command, ..), annotation) in annotations(&self.told.results) {
            all.entry(command).or_default().push(annotation);
        }
        for annotations in all.values_mut() {
            // The sort is stable: of equally many, the order of the names.
            annotations.sort_by_key(|one| std::cmp::Reverse(one.permutations));
        }
        if let Some((first, others)) = self.told.strays.split_first() {
            let command = if self.told.strays_fail { Command::Error } else { Command::of(first.level) };
            let others = match others.len() {
                0 => String::new(),
                number => format!(" There are {} more like it.", count(number, "finding")),
            };
            all.entry(command).or_default().push(Annotation {
                place: None,
                title: first.rule.to_string(),
                message: format!("{} It belongs to no permutation.{others}", first.message),
                permutations: 0,
                example: String::new(),
            });
        }
        for (command, annotations) in all {
            self.write(command, annotations)?;
        }
        self.out.flush()
    }
}

type Key<'r> = (Command, Option<&'r Place>, &'r str);

/// The root causes of results, once a case.
fn annotations(results: &[PermutationResult]) -> IndexMap<Key<'_>, Annotation> {
    let mut all: IndexMap<Key<'_>, Annotation> = IndexMap::new();
    for result in results {
        let mut seen = Vec::new();
        for (command, title, message) in said(result) {
            let key = (command, result.place.as_ref(), title);
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let one = all.entry(key).or_insert_with(|| Annotation {
                place: result.place.clone(),
                title: title.to_owned(),
                message: message.to_owned(),
                permutations: 0,
                example: result.name.clone(),
            });
            one.permutations += 1;
        }
    }
    all
}

/// What there is to annotate of a result: level, title and message.
fn said(result: &PermutationResult) -> Vec<(Command, &str, &str)> {
    let reason = result.reason.as_deref().unwrap_or_default();
    let findings = |of: fn(Level) -> Command| {
        worst(result)
            .into_iter()
            .map(move |finding| (of(finding.level), &*finding.rule, finding.message.as_str()))
    };
    match result.outcome {
        // A level that does not fail otherwise does under the profile of this run.
        Outcome::Failed => findings(|_| Command::Error).collect(),
        Outcome::Passed => findings(Command::of).collect(),
        Outcome::FailedAsKnown => Vec::new(),
        Outcome::UnexpectedlyPassed => vec![(Command::Error, "unexpectedly passed", reason)],
        Outcome::CouldNotRun => vec![(Command::Error, "could not run", reason)],
    }
}

impl Command {
    /// Of a finding that fails nothing.
    fn of(level: Level) -> Command {
        match level {
            Level::Violation | Level::Warning => Command::Warning,
            Level::Information => Command::Notice,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Command::Error => "error",
            Command::Warning => "warning",
            Command::Notice => "notice",
        }
    }
}

/// A message, escaped.
fn data(text: &str) -> String {
    clean(&text.replace("\r\n", "\n")).replace('%', "%25").replace('\n', "%0A")
}

/// The value of a property, escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(data("50 %\r\na: b, c\u{1b}"), "50 %25%0Aa: b, c\\u{1b}");
        assert_eq!(property("a: b, 5 %\n"), "a%3A b%2C 5 %25%0A");
    }

    #[test]
    fn the_tenth_says_what_github_would_drop() {
        let mut annotations = Annotations::new(Vec::new(), str::to_owned);
        for number in 1..=12 {
            let name = format!("demo/case-{number:02}");
            let mut result = PermutationResult::new(name.as_str(), name.as_str(), Outcome::CouldNotRun);
            result.reason = Some("out of luck".to_owned());
            result.place = Some(Place { file: "a,b.yaml".into(), line: number, column: 3 });
            annotations.on_event(&RunEvent::Finished(Box::new(result))).expect("a vector takes all");
        }
        annotations.finish().expect("a vector takes all");
        let text = String::from_utf8(annotations.out).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), SHOWN);
        let first = "::error file=a%2Cb.yaml,line=1,col=3,title=could not run::out of luck%0AIn 1 permutation, such as demo/case-01";
        assert_eq!(lines[0], first);
        assert!(lines[9].ends_with("%0AAnd 2 more: could not run, could not run"), "{}", lines[9]);
    }
}
