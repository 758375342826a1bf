//! Groups of permutations that share one snapshot.
//!
//! insta alone is not safe for that: with several tests asserting one file, a passing one deletes what a failing one
//! wrote for review, and with everything accepted the last writer wins. So insta is asked once a group, with the text of
//! the first member that ran well; the others are compared with that one in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use spanwise::model::PermutationResult;
use spanwise::report::snapshot;

use crate::accepted::{compare, difference};
use crate::outcome::comparable;

/// The results of a run, by group.
#[derive(Debug, Default)]
pub struct Groups {
    /// Where the accepted snapshots are.
    folder: PathBuf,
    groups: Vec<Group>,
    /// Group and member of each permutation.
    places: HashMap<String, (usize, usize)>,
}

#[derive(Debug)]
struct Group {
    name: String,
    members: Vec<PermutationResult>,
    texts: Vec<String>,
    /// What insta said of the leader, asked once.
    leader: OnceLock<Result<(), String>>,
}

impl Groups {
    /// Results in the order of the plan, to be compared with the snapshots in a folder.
    pub fn of(folder: impl Into<PathBuf>, results: &[PermutationResult]) -> Groups {
        let mut groups = Groups { folder: folder.into(), ..Groups::default() };
        let mut known: HashMap<&str, usize> = HashMap::new();
        for result in results {
            let at = *known.entry(&result.group).or_insert(groups.groups.len());
            if at == groups.groups.len() {
                let (name, leader) = (result.group.clone(), OnceLock::new());
                groups.groups.push(Group { name, members: Vec::new(), texts: Vec::new(), leader });
            }
            let group = &mut groups.groups[at];
            groups.places.insert(result.name.clone(), (at, group.members.len()));
            group.texts.push(snapshot(result));
            group.members.push(result.clone());
        }
        groups
    }

    /// Whether a permutation passed, and is as its group's snapshot has it; else what is wrong.
    pub fn verdict(&self, name: &str) -> Result<(), String> {
        let (group, member) = self.places.get(name).ok_or("it did not run: the run ended before it")?;
        let group = &self.groups[*group];
        comparable(&group.members[*member])?;
        // One that could not run says nothing of how its siblings should be; this member itself can lead.
        let leader = group.members.iter().position(|one| comparable(one).is_ok()).unwrap_or(*member);
        if group.texts[*member] != group.texts[leader] {
            let agree = group.texts.iter().filter(|text| *text == &group.texts[*member]).count();
            return Err(format!(
                "differs from {}, with which it shares a snapshot ({agree} of {} permutations are like this one)\n{}",
                group.members[leader].name,
                group.members.len(),
                difference(&group.texts[leader], &group.texts[*member])
            ));
        }
        let ask = || compare(&self.folder, &group.name, &group.texts[leader]);
        group.leader.get_or_init(ask).clone()
    }
}

#[cfg(test)]
mod tests {
    use spanwise::model::Outcome::{self, CouldNotRun, Failed, Passed};

    use super::*;
    use crate::outcome::result;

    /// Compares members with these outcomes and trees, whose accepted tree is `api`, and looks for a part of what is said
    /// of each; an empty part stands for nothing wrong.
    #[track_caller]
    fn check(members: &[(Outcome, &str, &str)]) {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("demo/greet")).expect("a folder for the case");
        let accepted = folder.path().join("demo/greet/entry=http.snap");
        std::fs::write(accepted, "---\nsource: x.rs\n---\napi\n").expect("a snapshot");
        let name = |at: usize| format!("demo/greet/entry=http/n={at}");
        let results: Vec<PermutationResult> = (members.iter().enumerate())
            .map(|(at, (outcome, tree, _))| result(&name(at), "demo/greet/entry=http", *outcome, tree))
            .collect();
        let groups = Groups::of(folder.path(), &results);
        for (at, (_, _, expected)) in members.iter().enumerate() {
            let said = groups.verdict(&name(at)).err().unwrap_or_default();
            assert_eq!(said.is_empty(), expected.is_empty(), "{at}: {said}");
            assert!(said.contains(expected), "{at}: {said}");
        }
    }

    #[test]
    fn members_are_compared_with_the_first_that_ran_well() {
        check(&[(Passed, "api", ""), (Passed, "api", "")]);
        check(&[
            (Passed, "api", ""),
            (Passed, "web", "differs from demo/greet/entry=http/n=0"),
            (Passed, "api", ""),
        ]);
        check(&[(CouldNotRun, "", "could not run: port taken"), (Passed, "api", ""), (Passed, "api", "")]);
        check(&[
            (CouldNotRun, "", "port taken"),
            (Passed, "api", ""),
            (Passed, "web", "greet/entry=http/n=1"),
        ]);
    }

    #[test]
    fn nobody_leads_where_nobody_ran_well() {
        check(&[(CouldNotRun, "", "port taken"), (CouldNotRun, "", "port taken")]);
    }

    #[test]
    fn a_permutation_without_a_result_is_no_pass() {
        let said = Groups::default().verdict("demo/greet/entry=http").expect_err("it did not run");
        assert!(said.contains("did not run"), "{said}");
    }

    #[test]
    fn a_member_that_failed_says_why() {
        let mut failed = result("demo/a/b", "demo/a/b", Failed, "api");
        failed.findings = vec![spanwise::model::Finding {
            rule: "trace-split".into(),
            level: spanwise::model::Level::Violation,
            service: None,
            trace_id: None,
            span_id: None,
            span_path: Vec::new(),
            message: "Two traces.".to_owned(),
            expected: None,
            actual: None,
            facts: Default::default(),
            hop: None,
            consequence_of: None,
        }];
        let said = Groups::of("nowhere", &[failed]).verdict("demo/a/b");
        assert_eq!(said, Err("trace-split: Two traces.".to_owned()));
    }
}
