//! The command that a result shows as the one that runs it again.

use std::collections::BTreeSet;

use spanwise_model::{PermutationResult, Value};

/// A command line that runs permutations again: its words, to which it adds the permutations, each as `--filter NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepeatCommand {
    words: Vec<String>,
}

impl RepeatCommand {
    /// A command that begins with these words, each one argument.
    pub fn new(words: Vec<String>) -> RepeatCommand {
        RepeatCommand { words }
    }

    /// What it begins with.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// The command for a result, for a shell. Alone it would lack what it was compared with, and pass.
    pub(super) fn repeats(&self, result: &PermutationResult) -> String {
        let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
        let partners = causes.filter_map(|finding| finding.facts.get("partner").and_then(Value::as_str));
        let partners: BTreeSet<&str> = partners.filter(|partner| *partner != result.name).collect();
        let names = std::iter::once(result.name.as_str()).chain(partners);
        let filters = names.flat_map(|name| ["--filter", name]);
        let words: Vec<String> = self.words.iter().map(String::as_str).chain(filters).map(quoted).collect();
        words.join(" ")
    }
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    // Only a word with a zero byte cannot be quoted, and no file or permutation has one in its name.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files_are_one_word_each() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("demo/greet", "demo/greet");
        check("demo/a/entry=http", "'demo/a/entry=http'");
        check("my suite.yaml", "'my suite.yaml'");
        check("it's $HOME", "\"it's \\$HOME\"");
    }
}
