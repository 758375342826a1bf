//! Permutations that must agree, side by side, for the differential rules.
//!
//! [`crate::Engine::compare`] builds a [`Group`]; a differential rule reports on the member that deviates.

use spanwise_model::Verdict;

use crate::anchor::Anchor;
use crate::findings::{Found, new_finding};
use crate::{Index, Report, Rule};

/// Permutations that must agree.
pub struct Group<'g> {
    /// Its members in the order of the suite; at least two.
    pub members: Vec<GroupMember<'g>>,
}

/// One permutation of a group.
pub struct GroupMember<'g> {
    /// Its full name.
    pub name: &'g str,
    /// Its axis values.
    pub axes: &'g [(String, String)],
    /// Its trees, normalized: what must be equal among members, as text with a line a span.
    pub trees: &'g str,
    /// Whether a rule found a violation in it by itself.
    pub has_violation: bool,
    /// What was observed.
    pub index: &'g Index<'g>,
}

/// Collects what one differential rule finds in the members of a group.
pub struct GroupFindings<'r> {
    rule: &'r Rule,
    pub(crate) members: Vec<MemberFindings>,
}

/// What was found in one member.
#[derive(Default)]
pub(crate) struct MemberFindings {
    looked: bool,
    pub(crate) found: Vec<Found>,
}

impl GroupMember<'_> {
    /// The value of an axis.
    pub fn axis(&self, name: &str) -> Option<&str> {
        self.axes.iter().find(|(axis, _)| axis == name).map(|(_, value)| value.as_str())
    }
}

impl<'r> GroupFindings<'r> {
    pub(crate) fn new(rule: &'r Rule, members: usize) -> GroupFindings<'r> {
        let members = (0..members).map(|_| MemberFindings::default()).collect();
        GroupFindings { rule, members }
    }

    /// Says that there was something to compare in a member, by its place in [`Group::members`].
    pub fn looked(&mut self, member: usize) {
        self.members[member].looked = true;
    }

    /// A breach by a member that deviates, by its place in [`Group::members`].
    pub fn on_member(&mut self, member: usize, message: impl Into<String>) -> Report<'_> {
        let found = Found { finding: new_finding(self.rule, message.into()), anchor: Anchor::default() };
        let all = &mut self.members[member].found;
        let at = all.len();
        all.push(found);
        Report::of(&mut all[at])
    }
}

impl MemberFindings {
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.found.is_empty(), self.looked) {
            (false, _) => Verdict::Fail,
            (true, true) => Verdict::Pass,
            (true, false) => Verdict::NotApplicable,
        }
    }
}
