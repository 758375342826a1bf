//! Lets the rules speak: of each observation, then of each group that must agree; then says how each permutation ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use spanwise_check::conventions::Registry;
use spanwise_check::{Checked, Engine, Family, Levels, Member, NameTaken, Profile, Rule, registry};
use spanwise_model::{
    Evidence, Finding, Label, Observation, Outcome, PermutationResult, Request, RunEvent, Settings, Span,
    TraceId, TraceSummary, Verdict, notation,
};
use spanwise_normalize::{agreeing, fold_front_end};
use spanwise_scenario::{KnownEntry, LevelEntry, Permutation, Plan};

use super::Options;
use super::attribution::{Settled, Unattributed};
use super::lane::Seen;
use crate::ratchet::Ratchet;

/// Judges permutations group by group, as their observations come in.
pub(super) struct Judge {
    plan: Arc<Plan>,
    options: Options,
    /// One a suite: profile, labels and levels are its own.
    engines: BTreeMap<String, Engine>,
    /// Of each group, the members that have come; by permutation.
    groups: Vec<BTreeMap<usize, Judged>>,
    /// The group of each permutation.
    group_of: Vec<usize>,
    /// Whether a permutation's observation has come.
    has_come: Vec<bool>,
    /// The rules that failed a permutation.
    told: BTreeSet<String>,
    /// The first finding of each of them, until it is asked for.
    found: Vec<RunEvent>,
}

/// One permutation between its observation and its result.
enum Judged {
    Checked { observation: Box<Observation>, checked: Checked, duration: Duration },
    CouldNotRun(String),
}

impl Judge {
    /// # Errors
    /// A rule of the options with the name of another.
    pub(super) fn new(plan: Arc<Plan>, options: Options) -> Result<Judge, NameTaken> {
        let mut group_of = vec![0; plan.permutations.len()];
        for (group, members) in plan.groups.iter().enumerate() {
            members.permutations.iter().for_each(|at| group_of[*at] = group);
        }
        let of_suite = |suite: &String| {
            let levels = plan.levels.get(suite).map(Vec::as_slice).unwrap_or_default();
            let made = engine(options.profile_of(suite), &options.rules, plan.labels.get(suite), levels)?;
            Ok((suite.clone(), made))
        };
        let engines = plan.suites.iter().map(of_suite).collect::<Result<_, NameTaken>>()?;
        let groups = plan.groups.iter().map(|_| BTreeMap::new()).collect();
        let has_come = vec![false; plan.permutations.len()];
        let (told, found) = (BTreeSet::new(), Vec::new());
        Ok(Judge { plan, options, engines, groups, group_of, has_come, told, found })
    }

    /// Takes observations; gives back the results of every group that is complete with them.
    pub(super) fn take(&mut self, settled: Vec<Settled>) -> Vec<PermutationResult> {
        let mut results = Vec::new();
        for one in settled {
            let (permutation, group) = (one.permutation, self.group_of[one.permutation]);
            let judged = self.one(one);
            self.has_come[permutation] = true;
            // What is known to fail may turn out to be the cause of what fails, when it is compared.
            let is_certain =
                self.plan.permutations[permutation].known.is_empty() && self.options.ratchet.is_none();
            let is_last = self.groups[group].len() + 1 == self.plan.groups[group].permutations.len();
            if let Judged::Checked { checked, .. } = &judged
                && is_certain
                && !is_last
            {
                self.note(permutation, &checked.findings);
            }
            self.groups[group].insert(permutation, judged);
            if is_last {
                let members = std::mem::take(&mut self.groups[group]);
                for (at, result) in self.group(members) {
                    self.note(at, &result.findings);
                    results.push(result);
                }
            }
        }
        results
    }

    /// What was found since this was last asked, of each rule that fails a permutation the first; nothing where no permutation is still
    /// to come, because all results are told then.
    pub(super) fn found(&mut self) -> Vec<RunEvent> {
        let found = std::mem::take(&mut self.found);
        if self.is_complete() { Vec::new() } else { found }
    }

    /// Keeps the findings that fail a permutation, of each rule the first.
    fn note(&mut self, permutation: usize, findings: &[Finding]) {
        let permutation = &self.plan.permutations[permutation];
        let ratchet = self.options.ratchet.as_deref();
        let failing = failing(findings, self.options.profile_of(&permutation.suite));
        for finding in failing.filter(|finding| known(permutation, finding, ratchet).is_none()) {
            if self.told.insert(finding.rule.to_string()) {
                let (permutation, finding) = (permutation.name.to_string(), Box::new(finding.clone()));
                self.found.push(RunEvent::Found { permutation, finding });
            }
        }
    }

    /// Whether every permutation has come.
    pub(super) fn is_complete(&self) -> bool {
        self.has_come.iter().all(|has_come| *has_come)
    }

    /// Every permutation that has not come, as one that could not run for this reason.
    pub(super) fn missing(&self, reason: &str) -> Vec<Settled> {
        let missing = self.has_come.iter().enumerate().filter(|(_, has_come)| !**has_come);
        let settled = |(permutation, _): (usize, &bool)| {
            let first = Seen::CouldNotRun(reason.to_owned());
            Settled { permutation, first, again: None }
        };
        missing.map(settled).collect()
    }

    /// The results of what has come of groups that are not complete, each by itself.
    pub(super) fn incomplete(&mut self) -> Vec<PermutationResult> {
        let members = std::mem::take(&mut self.groups).into_iter().flatten();
        members.map(|(at, judged)| self.result(&self.plan.permutations[at], judged)).collect()
    }

    /// What there is to say of spans and payloads that belong to no permutation, by suite; true when a suite's profile
    /// fails the run for it.
    pub(super) fn strays(&self, unattributed: BTreeMap<String, Unattributed>) -> (Vec<Finding>, bool) {
        let (mut all, mut fail) = (Vec::new(), false);
        for (suite, Unattributed { spans, mut defects }) in unattributed {
            // They point at exports of lanes that are gone.
            defects.iter_mut().for_each(|defect| defect.export = None);
            let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
            let observation =
                Observation { name: "strays".to_owned(), spans, defects, recorded, ..Observation::default() };
            let profile = self.options.profile_of(&suite);
            let mut findings = self.engines[&suite].check(&observation).findings;
            findings.retain(|finding| ["stray-span", "malformed-telemetry"].contains(&&*finding.rule));
            findings.iter_mut().for_each(|finding| finding.consequence_of = None);
            fail |= findings.iter().any(|finding| profile.fails_at(finding.level));
            all.extend(findings);
        }
        (all, fail)
    }

    fn profile(&self, permutation: &Permutation) -> Profile {
        self.options.profile_of(&permutation.suite)
    }

    /// Checks a permutation. Of two observations the second counts, where it shows more and hides nothing.
    fn one(&self, settled: Settled) -> Judged {
        let permutation = &self.plan.permutations[settled.permutation];
        let profile = self.profile(permutation);
        let check = |seen: Seen| match seen {
            Seen::CouldNotRun(reason) => Judged::CouldNotRun(reason),
            Seen::Observed(observation, duration) => {
                let checked = self.engines[&permutation.suite].check(&observation);
                Judged::Checked { observation, checked, duration }
            }
        };
        match (check(settled.first), settled.again.map(check)) {
            (
                Judged::Checked { checked: first, .. },
                Some(Judged::Checked { observation, checked, duration }),
            ) if hides_nothing(&first, &checked, profile) => {
                Judged::Checked { observation, checked, duration }
            }
            (first, _) => first,
        }
    }

    /// Compares the members of a complete group and makes their results.
    fn group(&self, mut members: BTreeMap<usize, Judged>) -> Vec<(usize, PermutationResult)> {
        let texts: BTreeMap<usize, String> = members
            .iter()
            .filter_map(|(at, judged)| match judged {
                Judged::Checked { observation, .. } => Some((*at, notation::print(&agreeing(observation)))),
                Judged::CouldNotRun(_) => None,
            })
            .collect();
        let mut compared: Vec<Member<'_>> = members
            .iter_mut()
            .filter_map(|(at, judged)| match judged {
                Judged::Checked { observation, checked, .. } => Some(Member {
                    name: self.plan.permutations[*at].name.as_str(),
                    axes: &self.plan.permutations[*at].settings.axes,
                    observation,
                    trees: &texts[at],
                    checked,
                }),
                Judged::CouldNotRun(_) => None,
            })
            .collect();
        // All of a group are of one suite.
        if let Some(at) = texts.keys().next() {
            self.engines[&self.plan.permutations[*at].suite].compare(&mut compared);
        }
        drop(compared);
        let result = |(at, judged): (usize, Judged)| (at, self.result(&self.plan.permutations[at], judged));
        members.into_iter().map(result).collect()
    }

    fn result(&self, permutation: &Permutation, judged: Judged) -> PermutationResult {
        let name = permutation.name.as_str();
        let mut result = PermutationResult {
            place: Some(permutation.place.clone()),
            ..PermutationResult::new(name, permutation.group.as_str(), Outcome::CouldNotRun)
        };
        match judged {
            Judged::CouldNotRun(reason) => result.reason = Some(reason),
            Judged::Checked { observation, checked, duration } => {
                let ratchet = self.options.ratchet.as_deref();
                (result.outcome, result.reason) =
                    outcome(permutation, &checked, self.profile(permutation), ratchet);
                result.duration_ms = duration.as_millis() as u64;
                result.traces = traces(&observation);
                let verdicts = checked.verdicts.iter();
                result.rules = Arc::new(verdicts.map(|(rule, verdict)| (rule.to_owned(), verdict)).collect());
                result.findings = checked.findings;
                if self.options.logs && result.fails() {
                    result.logs = observation.logs;
                }
            }
        }
        result.repeat = self.options.command.as_ref().map(|command| command.repeats(&result));
        result
    }
}

/// The rules of a profile, with what a suite says of labels and levels.
///
/// # Errors
/// A rule of the user's own with the name of another.
pub(crate) fn engine(
    profile: Profile,
    rules: &[&'static Rule],
    labels: Option<&Vec<Label>>,
    levels: &[LevelEntry],
) -> Result<Engine, NameTaken> {
    let engine = Engine::new(profile).with_rules(rules)?;
    let engine = match labels {
        Some(labels) => engine.with_registry(Arc::new(Registry::with(labels))),
        None => engine,
    };
    let mut of_suite = Levels::default();
    for entry in levels {
        of_suite.set(&entry.rule, entry.service.as_deref(), entry.level);
    }
    Ok(engine.with_levels(of_suite))
}

/// Whether a second observation, of a lane of one, hides no failure of the first. Running alone supplies what was missing,
/// so of rules that ask where spans belong another may speak than before; every other rule that failed must fail again.
fn hides_nothing(first: &Checked, again: &Checked, profile: Profile) -> bool {
    let failing = |checked: &Checked| -> BTreeSet<String> {
        let failing = checked.findings.iter().filter(|finding| profile.fails_at(finding.level));
        failing.map(|finding| finding.rule.to_string()).collect()
    };
    let again = failing(again);
    let is_unlinked = again.iter().any(|rule| asks_where_spans_belong(rule));
    let is_shown = |rule: &String| again.contains(rule) || (is_unlinked && asks_where_spans_belong(rule));
    failing(first).iter().all(is_shown)
}

fn asks_where_spans_belong(rule: &str) -> bool {
    let family = registry::rules().find(|known| known.name == rule).map(|known| known.family);
    matches!(family, Some(Family::Linkage | Family::Propagation | Family::Export))
}

/// The root causes that fail a permutation under a profile.
pub(crate) fn failing(findings: &[Finding], profile: Profile) -> impl Iterator<Item = &Finding> {
    let causes = findings.iter().filter(|finding| finding.consequence_of.is_none());
    causes.filter(move |finding| profile.fails_at(finding.level))
}

/// How a permutation ended, and which known failure it met or should have.
fn outcome(
    permutation: &Permutation,
    checked: &Checked,
    profile: Profile,
    ratchet: Option<&Ratchet>,
) -> (Outcome, Option<String>) {
    let failing = failing(&checked.findings, profile);
    let failing: Vec<Option<String>> = failing.map(|finding| known(permutation, finding, ratchet)).collect();
    // A rule that was not observed may fail all the same: one that compares, where it had nobody to compare with.
    let may_fail = |rule: &String| {
        checked.verdicts.get(rule) == Some(Verdict::NotObserved)
            || checked.findings.iter().any(|finding| *rule == finding.rule)
    };
    let is_stale = |rules: &[String]| !rules.iter().any(may_fail);
    let stale = permutation.known.iter().find(|entry| !entry.flaky && is_stale(&entry.rules));
    if failing.iter().any(Option::is_none) {
        (Outcome::Failed, None)
    } else if let Some(entry) = stale {
        let why = format!(
            "listed as known to fail ({}), and it does not: remove `{}`",
            reason(entry),
            entry.pattern.as_str()
        );
        (Outcome::UnexpectedlyPassed, Some(why))
    } else if let Some(why) = failing.into_iter().next() {
        (Outcome::FailedAsKnown, why)
    } else {
        (Outcome::Passed, None)
    }
}

/// Why a permutation is known to have a finding, if it is.
fn known(permutation: &Permutation, finding: &Finding, ratchet: Option<&Ratchet>) -> Option<String> {
    let entry = permutation.known_for(&finding.rule).map(reason);
    let ratchet = ratchet.filter(|ratchet| ratchet.has(permutation.name.as_str(), finding));
    entry.or_else(|| ratchet.map(|ratchet| format!("in the ratchet {}", ratchet.file())))
}

/// Why a permutation is known to fail, and where that is tracked.
fn reason(entry: &KnownEntry) -> String {
    match &entry.link {
        Some(link) => format!("{} <{link}>", entry.reason),
        None => entry.reason.clone(),
    }
}

/// The traces of an observation, each with its tree in normal form: the driver's first, in the order of its requests, then
/// the others in the order of their trees, so that it does not matter which came first.
pub(crate) fn traces(observation: &Observation) -> Vec<TraceSummary> {
    let mut traces: IndexMap<TraceId, Vec<Span>> = IndexMap::new();
    let mut spans = observation.spans.clone();
    // What the front end announced is known of the exchanges, which stay behind here.
    fold_front_end(&mut spans, &observation.wire);
    for span in spans {
        traces.entry(span.trace_id).or_default().push(span);
    }
    let driven = traces.values().take_while(|spans| spans.iter().any(Span::is_driver)).count();
    let summary = |(trace_id, spans): (TraceId, Vec<Span>)| {
        let count = spans.iter().filter(|span| !span.is_driver()).count();
        let is_of_trace = |request: &&Request| request.trace_id == trace_id;
        let requests = observation.requests.iter().filter(is_of_trace).cloned().collect();
        let varying_labels = observation.settings.varying_labels.clone();
        let settings = Settings { varying_labels, ..Settings::default() };
        let one = agreeing(&Observation { spans, requests, settings, ..Observation::default() });
        // The normal form has names of its own for traces.
        let tree = one.spans.first().map(|span| notation::print_trace(&one, span.trace_id));
        TraceSummary { trace_id, spans: count, tree: tree.unwrap_or_default() }
    };
    let mut summaries: Vec<TraceSummary> = traces.into_iter().map(summary).collect();
    summaries[driven..].sort_by(|one, other| one.tree.cmp(&other.tree));
    summaries
}

#[cfg(test)]
mod tests;
