//! Runs the rules of a profile over an observation, and the differential ones over a group.
//!
//! The run loop calls [`Engine::check`] for each permutation, then [`Engine::compare`] for each group. The engine decides
//! what is not observed, which level counts, which finding explains which, and the order; it knows no rule by name.

use std::sync::Arc;

use spanwise_model::{Finding, Level, Observation, Verdict};

use crate::anchor::Anchor;
use crate::conventions::Registry;
use crate::findings::Found;
use crate::fold::Causes;
use crate::{
    Check, Findings, Group, GroupFindings, GroupMember, Index, Levels, Profile, Rule, Verdicts, fold,
    registry,
};

/// The rules of a profile, ready to run.
pub struct Engine {
    profile: Profile,
    levels: Levels,
    rules: Vec<&'static Rule>,
    /// The names of `rules`, sorted, and the place of each rule's name among them.
    names: Arc<[&'static str]>,
    places: Vec<usize>,
    causes: Causes,
    registry: Arc<Registry>,
}

/// What the rules say of one observation.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Every finding in canonical order; [`Finding::consequence_of`] is an index into this list.
    pub findings: Vec<Finding>,
    /// What each rule of the profile says.
    pub verdicts: Verdicts,
    anchors: Vec<Anchor>,
}

/// A permutation of a group whose members must agree.
pub struct Member<'m> {
    /// Its full name.
    pub name: &'m str,
    /// Its axis values.
    pub axes: &'m [(String, String)],
    /// What was observed, as it was checked.
    pub observation: &'m Observation,
    /// Its trees in normal form, a line a span: what members must have in common. Declared differences are left out.
    pub trees: &'m str,
    /// What [`Engine::check`] said of it; findings are added here.
    pub checked: &'m mut Checked,
}

impl Engine {
    /// The rules of a profile with the levels of the catalogue.
    pub fn new(profile: Profile) -> Engine {
        let rules: Vec<_> = registry::rules().filter(|rule| profile.has(rule)).collect();
        let registry = Registry::built_in().clone();
        let (levels, (names, places), causes) = (Levels::default(), names(&rules), Causes::of(&rules));
        Engine { profile, levels, rules, names, places, causes, registry }
    }

    /// Rules of the user's own, which run after the catalogue where the profile has them.
    ///
    /// # Errors
    /// The name that a rule shares with one of the catalogue, or with another of these.
    pub fn with_rules(mut self, rules: &[&'static Rule]) -> Result<Engine, NameTaken> {
        check_names(rules)?;
        self.rules.extend(rules.iter().filter(|rule| self.profile.has(rule)));
        (self.names, self.places) = names(&self.rules);
        self.causes = Causes::of(&self.rules);
        Ok(self)
    }

    /// Other levels than the catalogue's.
    pub fn with_levels(self, levels: Levels) -> Engine {
        Engine { levels, ..self }
    }

    /// Other labels than those of the conventions alone.
    pub fn with_registry(self, registry: Arc<Registry>) -> Engine {
        Engine { registry, ..self }
    }

    /// The rules it runs, in the order of the catalogue.
    pub fn rules(&self) -> impl Iterator<Item = &'static Rule> {
        self.rules.iter().copied()
    }

    /// Runs every rule over one observation. Differential rules say `not-observed` until [`Engine::compare`] is called.
    pub fn check(&self, observation: &Observation) -> Checked {
        let index = Index::with_registry(observation, &self.registry);
        let mut said = vec![Verdict::NotObserved; self.rules.len()];
        let mut found = Vec::new();
        for (rule, &place) in self.rules.iter().zip(&self.places) {
            let recorded = rule.evidence.iter().all(|evidence| index.has(*evidence));
            if let (Check::One(check), true) = (rule.check, recorded) {
                let mut findings = Findings::new(rule);
                check(&index, &mut findings);
                said[place] = findings.verdict();
                found.append(&mut findings.found);
            }
        }
        self.finish(&index, found, Verdicts::new(&self.names, said))
    }

    /// Runs the differential rules over permutations that must agree. A group of one is not observed.
    pub fn compare(&self, members: &mut [Member<'_>]) {
        if members.len() < 2 {
            return;
        }
        let indexes: Vec<Index<'_>> =
            members.iter().map(|member| Index::with_registry(member.observation, &self.registry)).collect();
        let sides = members.iter().zip(&indexes).map(|(member, index)| GroupMember {
            name: member.name,
            axes: member.axes,
            trees: member.trees,
            has_violation: member.checked.findings.iter().any(|finding| finding.level == Level::Violation),
            index,
        });
        let group = Group { members: sides.collect() };
        let mut all: Vec<_> = members.iter_mut().map(|member| member.checked.take()).collect();
        for rule in &self.rules {
            let Check::Group(check) = rule.check else { continue };
            let recorded = |index: &Index<'_>| rule.evidence.iter().all(|evidence| index.has(*evidence));
            if !indexes.iter().all(recorded) {
                continue;
            }
            let mut findings = GroupFindings::new(rule, indexes.len());
            check(&group, &mut findings);
            for (side, (found, verdicts)) in findings.members.iter_mut().zip(&mut all) {
                verdicts.set(rule.name, side.verdict());
                found.append(&mut side.found);
            }
        }
        drop(group);
        for ((member, index), (found, verdicts)) in members.iter_mut().zip(&indexes).zip(all) {
            *member.checked = self.finish(index, found, verdicts);
        }
    }

    fn finish(&self, index: &Index<'_>, mut found: Vec<Found>, verdicts: Verdicts) -> Checked {
        for Found { finding, .. } in &mut found {
            finding.level = self.levels.level(&finding.rule, finding.service.as_deref(), finding.level);
        }
        fold::sort(index, &mut found);
        self.causes.fold(index, &mut found);
        let (findings, anchors) = found.into_iter().map(|found| (found.finding, found.anchor)).unzip();
        Checked { findings, verdicts, anchors }
    }
}

/// A rule of the user's own has the name of another rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two rules are called `{0}`: give your own another name")]
pub struct NameTaken(pub &'static str);

/// Refuses rules of the user's own whose names are taken.
fn check_names(rules: &[&'static Rule]) -> Result<(), NameTaken> {
    let is_taken = |(at, rule): (usize, &&'static Rule)| {
        registry::find(rule.name).is_some() || rules[..at].iter().any(|other| other.name == rule.name)
    };
    match rules.iter().enumerate().find(|one| is_taken(*one)) {
        Some((_, rule)) => Err(NameTaken(rule.name)),
        None => Ok(()),
    }
}

/// The names of rules, sorted, and the place of each rule's name among them.
fn names(rules: &[&'static Rule]) -> (Arc<[&'static str]>, Vec<usize>) {
    let mut by_name: Vec<usize> = (0..rules.len()).collect();
    by_name.sort_unstable_by_key(|&at| rules[at].name);
    let mut places = vec![0; rules.len()];
    for (place, &at) in by_name.iter().enumerate() {
        places[at] = place;
    }
    (by_name.into_iter().map(|at| rules[at].name).collect(), places)
}

impl Checked {
    /// Findings that no other finding explains, in canonical order.
    pub fn root_causes(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.consequence_of.is_none())
    }

    /// Whether a root cause fails the permutation under a profile.
    pub fn fails(&self, profile: Profile) -> bool {
        self.root_causes().any(|finding| profile.fails_at(finding.level))
    }

    fn take(&mut self) -> (Vec<Found>, Verdicts) {
        let Checked { findings, verdicts, anchors } = std::mem::take(self);
        let anchors = anchors.into_iter().chain(std::iter::repeat(Anchor::default()));
        let found = findings.into_iter().zip(anchors).map(|(finding, anchor)| Found { finding, anchor });
        (found.collect(), verdicts)
    }
}
