//! What every rule said of a case, as one snapshot.
//!
//! Trees and findings cannot show evidence that was lost: a rule that no longer sees what it judges turns from `pass` to
//! `not-observed`, and nothing else changes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use spanwise::model::{PermutationResult, Verdict};

use crate::accepted::compare;
use crate::outcome::comparable;

/// The results of a run, by case.
#[derive(Debug, Default)]
pub struct Verdicts {
    /// Where the accepted snapshots are.
    folder: PathBuf,
    cases: BTreeMap<String, Vec<PermutationResult>>,
}

/// Suite and case of a permutation or group: `demo/greet`.
pub fn case_of(name: &str) -> &str {
    name.match_indices('/').nth(1).map_or(name, |(at, _)| &name[..at])
}

impl Verdicts {
    /// Results of whole cases, to be compared with the snapshots in a folder.
    pub fn of(folder: impl Into<PathBuf>, results: &[PermutationResult]) -> Verdicts {
        let mut cases: BTreeMap<String, Vec<PermutationResult>> = BTreeMap::new();
        for result in results {
            cases.entry(case_of(&result.name).to_owned()).or_default().push(result.clone());
        }
        Verdicts { folder: folder.into(), cases }
    }

    /// The name of a case's snapshot and trial.
    pub fn name(case: &str) -> String {
        format!("{case}/verdicts")
    }

    /// Whether the rules say of a case what was accepted; else what is wrong. All of its permutations must have run.
    pub fn verdict(&self, case: &str) -> Result<(), String> {
        let results = self.cases.get(case).ok_or("it did not run: the run ended before it")?;
        let failed = results.iter().filter(|result| comparable(result).is_err()).count();
        if failed > 0 {
            let of = results.len();
            return Err(format!("{failed} of {of} permutations did not pass; see their own trials"));
        }
        compare(&self.folder, &Verdicts::name(case), &table(results))
    }
}

/// Rules for which it depends on the moment whether there is anything to look at: which line a request alone was in flight
/// for, for example.
const BY_CHANCE: [&str; 1] = ["log-without-trace"];

/// By entry, the rules that had something to look at in any permutation, and whether one of them passed. How many did is not
/// told: of evidence that comes by time, such as lines of logs, some permutations have none.
fn table(results: &[PermutationResult]) -> String {
    let mut entries: BTreeMap<&str, Vec<&PermutationResult>> = BTreeMap::new();
    for result in results {
        let entry = result.name.split('/').find(|part| part.starts_with("entry=")).unwrap_or("all");
        entries.entry(entry).or_default().push(result);
    }
    let mut text = String::new();
    for (entry, results) in entries {
        let _ = writeln!(text, "{entry} ({} permutations)", results.len());
        let mut rules: BTreeMap<&str, Vec<Verdict>> = BTreeMap::new();
        for (rule, verdict) in results.iter().flat_map(|result| result.rules.iter()) {
            rules.entry(rule).or_default().push(*verdict);
        }
        for (rule, verdicts) in rules.into_iter().filter(|(rule, _)| !BY_CHANCE.contains(rule)) {
            // The worst that any permutation says, but what has nothing to look at says nothing.
            let order = [Verdict::Fail, Verdict::Pass, Verdict::NotObserved];
            if let Some(said) = order.into_iter().find(|verdict| verdicts.contains(verdict)) {
                let _ = writeln!(text, "  {rule:<34} {}", said.as_str());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use spanwise::model::Outcome;

    use super::*;
    use crate::outcome::result;

    fn judged(name: &str, rules: &[(&str, Verdict)]) -> PermutationResult {
        let rules: BTreeMap<String, Verdict> =
            rules.iter().map(|(rule, verdict)| (rule.to_string(), *verdict)).collect();
        let rules = rules.into();
        PermutationResult { rules, ..result(name, name, Outcome::Passed, "api") }
    }

    #[test]
    fn rules_are_told_by_entry() {
        use Verdict::{NotApplicable, NotObserved, Pass};
        let results = [
            judged("demo/a/entry=http/n=1", &[("x", Pass), ("y", Pass), ("z", NotApplicable)]),
            judged(
                "demo/a/entry=grpc/n=1",
                &[("x", NotObserved), ("y", NotApplicable), ("z", NotApplicable)],
            ),
            judged("demo/a/entry=http/n=2", &[("x", Pass), ("y", NotApplicable), ("z", NotApplicable)]),
        ];
        let lines: Vec<String> = table(&results)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "entry=grpc (1 permutations)",
            "x not-observed",
            "entry=http (2 permutations)",
            "x pass",
            "y pass",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_rule_that_lost_its_evidence_is_a_difference() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("demo/a")).expect("a folder for the case");
        let accepted = table(&[judged("demo/a/n=1", &[("x", Verdict::Pass)])]);
        let accepted = format!("---\nsource: x.rs\n---\n{accepted}");
        std::fs::write(folder.path().join("demo/a/verdicts.snap"), accepted).expect("a snapshot");
        let verdict = |said: Verdict| {
            Verdicts::of(folder.path(), &[judged("demo/a/n=1", &[("x", said)])]).verdict("demo/a")
        };
        assert_eq!(verdict(Verdict::Pass), Ok(()));
        let said = verdict(Verdict::NotObserved).expect_err("it differs");
        assert!(said.contains("not-observed"), "{said}");
    }

    #[test]
    fn a_case_is_judged_only_where_all_of_it_passed() {
        let results = [
            judged("demo/a/n=1", &[("x", Verdict::Pass)]),
            result("demo/a/n=2", "demo/a", Outcome::CouldNotRun, ""),
        ];
        let verdicts = Verdicts::of("nowhere", &results);
        let said = verdicts.verdict("demo/a").expect_err("one could not run");
        assert!(said.starts_with("1 of 2"), "{said}");
        verdicts.verdict("demo/b").expect_err("it did not run");
    }

    #[test]
    fn a_case_has_suite_and_name() {
        assert_eq!(case_of("demo/a/code=OK/entry=http"), "demo/a");
        assert_eq!(case_of("demo/a"), "demo/a");
    }
}
