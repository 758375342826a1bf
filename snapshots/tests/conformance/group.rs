//! Groups of permutations that share one snapshot.
//!
//! insta alone is not safe for that: with several tests asserting one file, a passing one deletes what a failing one
//! wrote for review, and with everything accepted the last writer wins. So insta is asked once a group, with the first
//! selected member's text; the others are compared with that one in memory.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use libtest_mimic::Failed;
use spanwise::model::PermutationResult;
use spanwise::report::snapshot;

use crate::outcome;
use crate::stale;

/// The results of a run, by group.
#[derive(Default)]
pub(crate) struct Groups {
    groups: Vec<Group>,
    /// Group and member of each permutation.
    places: HashMap<String, (usize, usize)>,
}

struct Group {
    name: String,
    members: Vec<PermutationResult>,
    texts: Vec<String>,
    /// What insta said of the leader, asked once.
    leader: OnceLock<Result<(), String>>,
}

impl Groups {
    /// Results in the order of the plan.
    pub(crate) fn of(results: Vec<PermutationResult>) -> Groups {
        let mut groups = Groups::default();
        for result in results {
            let found = groups.groups.iter().position(|group| group.name == result.group);
            let at = found.unwrap_or(groups.groups.len());
            if found.is_none() {
                let (name, leader) = (result.group.clone(), OnceLock::new());
                groups.groups.push(Group { name, members: Vec::new(), texts: Vec::new(), leader });
            }
            let group = &mut groups.groups[at];
            groups.places.insert(result.name.clone(), (at, group.members.len()));
            group.texts.push(snapshot(&result));
            group.members.push(result);
        }
        groups
    }

    /// Whether a permutation passed, and is as its group's snapshot has it.
    pub(crate) fn verdict(&self, name: &str) -> Result<(), Failed> {
        let (group, member) = self.places.get(name).ok_or("it did not run: the run ended before it")?;
        let group = &self.groups[*group];
        outcome(&group.members[*member])?;
        let leader = &group.members[0];
        if group.texts[*member] != group.texts[0] {
            let agree = group.texts.iter().filter(|text| *text == &group.texts[*member]).count();
            return Err(format!(
                "differs from {}, with which it shares a snapshot ({agree} of {} permutations are like this one)\n{}",
                leader.name,
                group.members.len(),
                difference(&group.texts[0], &group.texts[*member])
            )
            .into());
        }
        group.leader.get_or_init(|| group.compare()).clone().map_err(Failed::from)
    }
}

impl Group {
    /// Compares the leader's text with the accepted snapshot; a difference is left for review by insta.
    fn compare(&self) -> Result<(), String> {
        let place = stale::place(&self.name);
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(place.parent().unwrap_or(&place));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let file = place.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let file = file.trim_end_matches(".snap");
        let assertion = AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(file, self.texts[0])));
        catch_unwind(assertion).map_err(|_| {
            let accepted = std::fs::read_to_string(&place).unwrap_or_default();
            // The text behind the second `---`, which ends insta's own lines.
            let accepted = accepted.splitn(3, "---\n").nth(2).unwrap_or_default();
            format!(
                "is not what was accepted as {}; see `cargo insta review`\n{}",
                place.display(),
                difference(accepted, &self.texts[0])
            )
        })
    }
}

/// The lines in which two texts differ, each with its side.
fn difference(accepted: &str, found: &str) -> String {
    let (left, right): (Vec<&str>, Vec<&str>) = (accepted.lines().collect(), found.lines().collect());
    let begin = left.iter().zip(&right).take_while(|(l, r)| l == r).count();
    let rest = (&left[begin..], &right[begin..]);
    let end = rest.0.iter().rev().zip(rest.1.iter().rev()).take_while(|(l, r)| l == r).count();
    let side = |sign: &'static str, lines: &[&str]| {
        let lines = lines[..lines.len() - end].iter().map(move |line| format!("{sign} {line}"));
        lines.collect::<Vec<_>>()
    };
    [side("-", rest.0), side("+", rest.1)].concat().join("\n")
}
