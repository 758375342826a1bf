//! Full names of permutations, and the patterns that select them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The full name of a permutation: `suite/case/axis=value/…`. It is the one key: test name, snapshot path, report
/// anchor, known-failing pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PermutationName(String);

/// Selects names component by component: `*` is one component or a part of one, `**` any number of components.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A component without characters.
    #[error("the pattern {0:?} has an empty component")]
    EmptyComponent(String),
    /// `**` beside other characters of a component.
    #[error("the pattern {0:?} has \"**\" inside a component; it stands for whole components")]
    DoubleStarInside(String),
}

impl PermutationName {
    /// Joins suite, case and axes.
    pub fn new(suite: &str, case: &str, axes: &[(String, String)]) -> PermutationName {
        let mut name = format!("{suite}/{case}");
        for (axis, value) in axes {
            name.push_str(&format!("/{axis}={value}"));
        }
        PermutationName(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PermutationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// Whether a name is selected.
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('/').collect();
        let name: Vec<&str> = name.split('/').collect();
        components(&pattern, &name)
    }

    /// Whether a name, or a beginning of it that ends at a component, is selected: `demo/greet` selects every permutation of
    /// that case.
    pub fn selects(&self, name: &str) -> bool {
        let begins = name.match_indices('/').map(|(at, _)| &name[..at]);
        begins.chain([name]).any(|part| self.matches(part))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Matches in time proportional to the product of the lengths: on a mismatch only the last `**` is tried longer.
fn components(pattern: &[&str], name: &[&str]) -> bool {
    greedy(pattern, name, |p| *p == "**", |p, n| characters(p, n))
}

/// Whether a text fits a pattern in which `*` stands for any characters; as fast as [`components`].
pub(crate) fn characters(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    greedy(&pattern, &text, |p| *p == '*', |p, t| p == t)
}

/// Matches `items` against `pattern`, in which some elements stand for any run of items.
fn greedy<P, T>(
    pattern: &[P],
    items: &[T],
    is_run: impl Fn(&P) -> bool,
    same: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut p, mut i) = (0, 0);
    let mut last_run: Option<(usize, usize)> = None;
    while i < items.len() {
        if p < pattern.len() && is_run(&pattern[p]) {
            last_run = Some((p, i));
            p += 1;
        } else if p < pattern.len() && same(&pattern[p], &items[i]) {
            p += 1;
            i += 1;
        } else if let Some((run, taken)) = last_run {
            last_run = Some((run, taken + 1));
            p = run + 1;
            i = taken + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(is_run)
}

impl FromStr for Pattern {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Pattern, NameError> {
        for component in text.split('/') {
            if component.is_empty() {
                return Err(NameError::EmptyComponent(text.to_owned()));
            }
            if component != "**" && component.contains("**") {
                return Err(NameError::DoubleStarInside(text.to_owned()));
            }
        }
        Ok(Pattern(text.to_owned()))
    }
}

impl TryFrom<String> for Pattern {
    type Error = NameError;
    fn try_from(text: String) -> Result<Pattern, NameError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        let pattern: Pattern = pattern.parse().expect("a pattern");
        assert_eq!(pattern.matches(name), expected, "{} on {name}", pattern.as_str());
    }

    #[test]
    fn patterns_match_whole_components() {
        check("demo/greet", "demo/greet", true);
        check("demo/greet", "demo/greet/entry=http", false);
        check("demo/greet/**", "demo/greet/entry=http/export=otlp-grpc", true);
        check("demo/greet/**", "demo/greet", true);
        check("demo/*/entry=http", "demo/greet/entry=http", true);
        check("demo/*", "demo/greet/entry=http", false);
        check("**/export=otlp-*/**", "demo/greet/entry=http/export=otlp-grpc/propagation=both", true);
        check("**/export=otlp-*/**", "demo/greet/export=gcp_trace", false);
        check("**", "demo/greet", true);
        check("demo/**/x/**/y", "demo/a/x/b/x/c/y", true);
        check("demo/**/x/**/y", "demo/a/x/b/x/c/z", false);
    }

    #[test]
    fn patterns_that_mean_nothing_are_refused() {
        assert!("demo//greet".parse::<Pattern>().is_err());
        assert!("demo/a**".parse::<Pattern>().is_err());
        assert!("".parse::<Pattern>().is_err());
    }
}
