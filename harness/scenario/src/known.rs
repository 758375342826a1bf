//! Known failures: permutations that must fail (`known-failing`) or may fail (`known-flaky`), and by which rules.

use spanwise_model::Pattern;

use crate::Known;
use crate::error::{File, SuiteError};
use crate::format::{KnownFile, SuiteFile};
use crate::suite::Permutation;

/// An entry of `known-failing` or `known-flaky`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEntry {
    /// Which permutations.
    pub pattern: Pattern,
    /// The rules whose findings it covers; a finding of another rule still fails the permutation.
    pub rules: Vec<String>,
    /// Why it fails.
    pub reason: String,
    /// Where it is tracked.
    pub link: Option<String>,
    /// Whether it may also pass (`known-flaky`); otherwise passing is an error, because the entry is stale.
    pub flaky: bool,
}

/// Reads both lists and hands each permutation the entries that match it.
pub(crate) fn assign(
    file: File<'_>,
    suite: &SuiteFile,
    known: &Known<'_>,
    permutations: &mut [Permutation],
) -> Result<(), SuiteError> {
    let failing = suite.known_failing.iter().map(|entry| (entry, false));
    let flaky = suite.known_flaky.iter().map(|entry| (entry, true));
    for (written, flaky) in failing.chain(flaky) {
        let entry = entry(file, written, flaky, known)?;
        let mut matched = false;
        for permutation in permutations.iter_mut() {
            if entry.pattern.matches(permutation.name.as_str()) {
                permutation.known.push(entry.clone());
                matched = true;
            }
        }
        if !matched {
            let message =
                format!("the pattern `{}` matches no permutation of the suite", written.pattern.value);
            let help = "`*` stands for one component, `**` for any number; \
                        `spanwise list` prints the full names";
            return Err(file.error(written.pattern.referenced, message).with_help(help));
        }
    }
    Ok(())
}

fn entry(
    file: File<'_>,
    written: &KnownFile,
    flaky: bool,
    known: &Known<'_>,
) -> Result<KnownEntry, SuiteError> {
    let pattern = written.pattern.value.parse();
    let pattern = pattern.map_err(|error| {
        let error: spanwise_model::NameError = error;
        file.error(written.pattern.referenced, error.to_string())
    })?;
    let Some(reason) = written.reason.as_ref().filter(|reason| !reason.value.trim().is_empty()) else {
        return Err(file.error(written.pattern.referenced, "a known failure needs a `reason`"));
    };
    if written.rules.value.is_empty() {
        return Err(file.error(written.rules.referenced, "a known failure names at least one rule"));
    }
    for rule in &written.rules.value {
        known.rule(file, rule)?;
    }
    Ok(KnownEntry {
        pattern,
        rules: written.rules.value.iter().map(|rule| rule.value.clone()).collect(),
        reason: reason.value.trim().to_owned(),
        link: written.link.clone(),
        flaky,
    })
}
