//! The command that a result shows as the one that runs it again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use spanwise_model::{PermutationResult, Value, secret};

/// Makes commands of the full names of permutations. Plain data, so that a recording keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatCommand {
    /// The command up to the names, for a shell.
    beginning: String,
    /// What stands before each name; nothing where it is empty.
    option: String,
}

impl RepeatCommand {
    /// A command of these words, in which `option` stands before each name, such as `--filter`. Reports and recordings have it, so
    /// secrets in the words are replaced.
    pub fn new<'w>(words: impl IntoIterator<Item = &'w str>, option: &str) -> RepeatCommand {
        let words: Vec<String> = words.into_iter().map(|word| quoted(&secret::text(word))).collect();
        RepeatCommand { beginning: words.join(" "), option: option.to_owned() }
    }

    /// The command for a result, for a shell. Alone it would lack what it was compared with, and pass.
    pub(super) fn repeats(&self, result: &PermutationResult) -> String {
        let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
        // With the partner alone, neither of the two would be the one that deviates.
        let facts = causes.flat_map(|finding| ["partner", "witness"].map(|fact| finding.facts.get(fact)));
        let partners = facts.filter_map(|fact| fact.and_then(Value::as_str));
        let partners: BTreeSet<&str> = partners.filter(|partner| *partner != result.name).collect();
        let mut command = self.beginning.clone();
        for name in std::iter::once(result.name.as_str()).chain(partners) {
            let option = if self.option.is_empty() { String::new() } else { format!(" {}", self.option) };
            command.push_str(&format!("{option} {}", quoted(name)));
        }
        command
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    // Only a word with a zero byte cannot be quoted, and no file or permutation has one in its name.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use spanwise_model::{Facts, Finding, Level, Outcome};

    use super::*;

    #[test]
    fn words_stay_one_word_each() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("demo/greet", "demo/greet");
        check("my suite.yaml", "'my suite.yaml'");
        check("it's $HOME", "\"it's \"'$HOME'");
    }

    fn finding(partner: &str, consequence_of: Option<usize>) -> Finding {
        Finding {
            rule: Cow::Borrowed("permutations-differ"),
            level: Level::Violation,
            service: None,
            trace_id: None,
            span_id: None,
            span_path: Vec::new(),
            message: String::new(),
            expected: None,
            actual: None,
            facts: Facts::from([("partner".to_owned(), partner.into())]),
            hop: None,
            consequence_of,
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let command =
            RepeatCommand::new(["spanwise", "--service-yaml", "https://ada:hunter2@files/web.yaml"], "");
        let shown = command.repeats(&PermutationResult::new("a/b", "a/b", Outcome::Failed));
        assert!(shown.contains("web.yaml") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_it_was_compared_with_runs_too() {
        let command = RepeatCommand::new(["spanwise", "run", "my suite.yaml"], "--filter");
        let mut result = PermutationResult::new("a/b/entry=http", "a/b", Outcome::Failed);
        let before = "spanwise run 'my suite.yaml' --filter 'a/b/entry=http'";
        assert_eq!(command.repeats(&result), before);
        result.findings = vec![finding("a/c", None), finding("a/c", None), finding("a/d", Some(0))];
        assert_eq!(command.repeats(&result), format!("{before} --filter a/c"));
        assert_eq!(RepeatCommand::new(["test"], "").repeats(&result), "test 'a/b/entry=http' a/c");
        result.findings[1].facts.insert("witness".to_owned(), "a/e".into());
        assert_eq!(command.repeats(&result), format!("{before} --filter a/c --filter a/e"));
    }
}
