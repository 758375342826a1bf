//! The plan of a run: what is selected of the suites, with the settings it needs and the groups that must agree.

use std::collections::BTreeMap;

use spanwise_model::{Label, Pattern};

use crate::levels::LevelEntry;
use crate::suite::{Permutation, Setting, Suite};

/// What a run does, in a fixed order: nothing in it depends on time, chance or the machine.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The suites' names.
    pub suites: Vec<String>,
    /// The settings that the selected permutations need, in the order of their first permutation.
    pub settings: Vec<Setting>,
    /// The selected permutations, in the order of the suites.
    pub permutations: Vec<Permutation>,
    /// Which of them must agree, in the order of their first permutation.
    pub groups: Vec<Group>,
    /// The labels that suites add to the semantic conventions, by suite; those that add none are not there.
    pub labels: BTreeMap<String, Vec<Label>>,
    /// The levels that suites give to rules, by suite; those that give none are not there.
    pub levels: BTreeMap<String, Vec<LevelEntry>>,
}

/// Permutations that must agree, and share one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its members, as indices into [`Plan::permutations`].
    pub permutations: Vec<usize>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two suite files with one name: the full names of their permutations would collide.
    #[error("two suites are called `{0}`")]
    DuplicateSuite(String),
}

/// Selects the permutations that a filter matches, or all without a filter.
///
/// A pattern selects the names it matches and all below them: `demo/greet` is every permutation of that case.
pub fn plan(suites: &[Suite], filter: &[Pattern]) -> Result<Plan, PlanError> {
    let mut plan = Plan::default();
    for suite in suites {
        if plan.suites.contains(&suite.name) {
            return Err(PlanError::DuplicateSuite(suite.name.clone()));
        }
        plan.suites.push(suite.name.clone());
        if !suite.labels.is_empty() {
            plan.labels.insert(suite.name.clone(), suite.labels.clone());
        }
        if !suite.levels.is_empty() {
            plan.levels.insert(suite.name.clone(), suite.levels.clone());
        }
        let mut settings: Vec<Option<usize>> = vec![None; suite.settings.len()];
        for permutation in &suite.permutations {
            if !filter.is_empty() && !filter.iter().any(|one| one.selects(permutation.name.as_str())) {
                continue;
            }
            let setting = *settings[permutation.setting].get_or_insert_with(|| {
                plan.settings.push(suite.settings[permutation.setting].clone());
                plan.settings.len() - 1
            });
            plan.permutations.push(Permutation { setting, ..permutation.clone() });
        }
    }
    drop_unneeded_services(&mut plan);
    plan.groups = groups(&plan.permutations);
    Ok(plan)
}

impl Plan {
    /// Leaves only the permutations that `keep` wants.
    pub fn retain(&mut self, keep: impl FnMut(&Permutation) -> bool) {
        self.permutations.retain(keep);
        drop_unneeded_services(self);
        self.groups = groups(&self.permutations);
    }
}

/// Leaves each setting the services that a selected permutation needs.
fn drop_unneeded_services(plan: &mut Plan) {
    for (at, setting) in plan.settings.iter_mut().enumerate() {
        let needs = |service: &str| {
            let served = plan.permutations.iter().filter(|permutation| permutation.setting == at);
            served.flat_map(|permutation| &permutation.services).any(|needed| needed == service)
        };
        setting.services.retain(|service| needs(&service.name));
    }
}

fn groups(permutations: &[Permutation]) -> Vec<Group> {
    let mut groups: indexmap::IndexMap<&str, Vec<usize>> = indexmap::IndexMap::new();
    for (at, permutation) in permutations.iter().enumerate() {
        groups.entry(&permutation.group).or_default().push(at);
    }
    groups.into_iter().map(|(name, permutations)| Group { name: name.to_owned(), permutations }).collect()
}
