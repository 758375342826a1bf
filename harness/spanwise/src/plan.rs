//! Suite files to a plan, with the names that only this program knows: its rules, its profiles, its demo services.

use std::collections::{BTreeMap, BTreeSet};

use spanwise_check::{Profile, Rule, conventions, registry as rules};
use spanwise_model::{Part, Pattern, PermutationName};
use spanwise_scenario::{Known, Plan, PlanError, ServiceYaml, Stage, StageError, Suite, SuiteError};

use crate::shard::Shard;
use crate::{protos, registry};

/// A file of a suite, or of a service's deployment, that was read: what to call it in messages, and its text.
#[derive(Clone, Debug)]
pub struct SuiteText {
    /// The file's name as the user wrote it.
    pub file: String,
    /// What it holds.
    pub text: String,
}

/// A plan, and the profile that each suite asks for.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// What to run.
    pub plan: Plan,
    /// The profile of each suite that names one.
    pub profiles: BTreeMap<String, Profile>,
    /// The cases, as `suite/case`, from which the filter took permutations away.
    pub cut_cases: BTreeSet<String>,
    /// Which part of what was selected this is, once it is one.
    pub part: Option<Part>,
    /// What suites and the files of [`More::deployed`] say and a run does not do, a sentence each.
    pub notes: Vec<String>,
}

impl Planned {
    /// Takes away the permutations that one of the patterns matches, or a beginning of whose name it does.
    pub fn skip(&mut self, patterns: &[Pattern]) {
        self.retain(|name| !patterns.iter().any(|pattern| pattern.selects(name)));
    }

    /// Leaves the permutations of one shard.
    pub fn shard(&mut self, shard: Shard) {
        let mine = shard.of_plan(&self.plan);
        self.part = Some(shard.part(&self.plan));
        self.retain(|name| mine.contains(name));
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.plan.retain(|one| {
            let is_kept = keep(one.name.as_str());
            if !is_kept {
                self.cut_cases.insert(format!("{}/{}", one.suite, one.case));
            }
            is_kept
        });
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanningError {
    /// A suite file, or the file of a deployment, has a mistake; the error points at it.
    #[error(transparent)]
    Suite(#[from] Box<SuiteError>),
    /// The files do not go together.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Reads suites and selects the permutations that one of the patterns matches, or all without a pattern.
pub fn plan(suites: &[SuiteText], filter: &[Pattern]) -> Result<Planned, PlanningError> {
    plan_with(suites, filter, &More::default())
}

/// What a program has of its own beside the rules and services of spanwise, for suites to name.
#[derive(Clone, Copy, Debug, Default)]
pub struct More<'m> {
    /// Services that the program can be: suites start them by `demo: NAME`, as children of the program, with the arguments
    /// [`crate::demo::ARGUMENT`] and the name.
    pub services: &'m [&'m str],
    /// The rules of [`crate::Options::rules`].
    pub rules: &'m [&'static Rule],
    /// Cloud Run files: how services of the suites, by name, are deployed, and so run on `platform: cloud-run`. See
    /// [`ServiceYaml`] for what is taken of them.
    pub deployed: &'m [SuiteText],
}

/// As [`plan`], for a program that has services and rules of its own.
pub fn plan_with(
    suites: &[SuiteText],
    filter: &[Pattern],
    more: &More<'_>,
) -> Result<Planned, PlanningError> {
    let parse = |file: &SuiteText| ServiceYaml::parse(&file.file, &file.text).map_err(Box::new);
    let deployed: Vec<ServiceYaml> = more.deployed.iter().map(parse).collect::<Result<_, _>>()?;
    let suites = with_known(more, &deployed, |known| {
        let parse = |suite: &SuiteText| Suite::parse(&suite.file, &suite.text, known).map_err(Box::new);
        suites.iter().map(parse).collect::<Result<Vec<Suite>, _>>()
    })?;
    ServiceYaml::check(&deployed, &suites).map_err(Box::new)?;
    let profile = |suite: &Suite| Some((suite.name.clone(), suite.profile.as_ref()?.parse().ok()?));
    let profiles = suites.iter().filter_map(profile).collect();
    let plan = spanwise_scenario::plan(&suites, filter)?;
    let selected: BTreeSet<&PermutationName> = plan.permutations.iter().map(|one| &one.name).collect();
    let all = suites.iter().flat_map(|suite| &suite.permutations);
    let cut = all.filter(|one| !selected.contains(&one.name));
    let cut_cases = cut.map(|one| format!("{}/{}", one.suite, one.case)).collect();
    let unsent = suites.iter().flat_map(|suite| suite.notes.iter().cloned());
    let notes = deployed.iter().flat_map(|deployed| deployed.notes(&suites)).chain(unsent).collect();
    Ok(Planned { plan, profiles, cut_cases, part: None, notes })
}

/// A start of a suite's services without its cases, and the profile that it asks for: what the library drives. `chosen` are
/// values of axes.
///
/// # Errors
/// A mistake in the suite; an axis or a value that it does not have.
pub(crate) fn stage(
    suite: &SuiteText,
    chosen: &[(String, String)],
    more: &More<'_>,
) -> Result<(Stage, Option<Profile>), StageError> {
    with_known(more, &[], |known| {
        let stage = Stage::parse(&suite.file, &suite.text, known, chosen)?;
        let profile = stage.suite.profile.as_ref().and_then(|profile| profile.parse().ok());
        Ok((stage, profile))
    })
}

/// Does something with all names that suites may use.
fn with_known<T>(more: &More<'_>, deployed: &[ServiceYaml], work: impl FnOnce(&Known<'_>) -> T) -> T {
    let rules = rules::rules().chain(more.rules.iter().copied());
    let rules: Vec<&str> = rules.map(|rule| rule.name).collect();
    let profiles: Vec<&str> = Profile::ALL.iter().map(|profile| profile.as_str()).collect();
    let demos: Vec<&str> = demos().into_iter().chain(more.services.iter().copied()).collect();
    let schemas = conventions::schemas();
    work(&Known {
        rules: &rules,
        profiles: &profiles,
        demos: &demos,
        schemas: &schemas,
        registry: Some(registry::read),
        protos: Some(protos::compile),
        deployed,
    })
}

#[cfg(feature = "demo")]
fn demos() -> Vec<&'static str> {
    crate::demo::names().collect()
}

#[cfg(not(feature = "demo"))]
fn demos() -> Vec<&'static str> {
    Vec::new()
}
