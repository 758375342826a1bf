//! Lets the rules speak: of each observation, then of each group that must agree; then says how each permutation ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use spanwise_check::conventions::Registry;
use spanwise_check::{Checked, Engine, Member, Profile};
use spanwise_model::{
    Evidence, Finding, Observation, Outcome, PermutationResult, Request, Span, TraceId, TraceSummary,
    notation,
};
use spanwise_normalize::agreeing;
use spanwise_scenario::{Permutation, Plan};

use super::Options;
use super::attribution::Settled;
use super::lane::Seen;
use super::observe::Strays;

/// Judges permutations group by group, as their observations come in.
pub(super) struct Judge {
    plan: Arc<Plan>,
    options: Options,
    /// One a suite: profile and labels are its own.
    engines: BTreeMap<String, Engine>,
    /// Of each group, the members that have come; by permutation.
    groups: Vec<BTreeMap<usize, Judged>>,
    /// The group of each permutation.
    group_of: Vec<usize>,
}

/// One permutation between its observation and its result.
enum Judged {
    Checked { observation: Box<Observation>, checked: Checked, duration: Duration },
    CouldNotRun(String),
}

impl Judge {
    pub(super) fn new(plan: Arc<Plan>, options: Options) -> Judge {
        let mut group_of = vec![0; plan.permutations.len()];
        for (group, members) in plan.groups.iter().enumerate() {
            members.permutations.iter().for_each(|at| group_of[*at] = group);
        }
        let engine = |suite: &String| {
            let engine = Engine::new(options.profile_of(suite));
            let engine = match plan.labels.get(suite) {
                Some(labels) => engine.with_registry(Arc::new(Registry::with(labels))),
                None => engine,
            };
            (suite.clone(), engine)
        };
        let engines = plan.suites.iter().map(engine).collect();
        let groups = plan.groups.iter().map(|_| BTreeMap::new()).collect();
        Judge { plan, options, engines, groups, group_of }
    }

    /// Takes observations; gives back the results of every group that is complete with them.
    pub(super) fn take(&mut self, settled: Vec<Settled>) -> Vec<PermutationResult> {
        let mut results = Vec::new();
        for one in settled {
            let (permutation, group) = (one.permutation, self.group_of[one.permutation]);
            let judged = self.one(one);
            self.groups[group].insert(permutation, judged);
            if self.groups[group].len() == self.plan.groups[group].permutations.len() {
                let members = std::mem::take(&mut self.groups[group]);
                results.extend(self.group(members));
            }
        }
        results
    }

    /// What there is to say of spans and payloads that belong to no permutation.
    pub(super) fn strays(&self, strays: Strays) -> Vec<Finding> {
        let Strays { spans, mut defects, .. } = strays;
        // They point at exports of lanes that are gone.
        defects.iter_mut().for_each(|defect| defect.export = None);
        let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
        let observation =
            Observation { name: "strays".to_owned(), spans, defects, recorded, ..Observation::default() };
        let mut findings = Engine::new(self.options.profile).check(&observation).findings;
        findings.retain(|finding| ["stray-span", "malformed-telemetry"].contains(&&*finding.rule));
        findings.iter_mut().for_each(|finding| finding.consequence_of = None);
        findings
    }

    fn profile(&self, permutation: &Permutation) -> Profile {
        self.options.profile_of(&permutation.suite)
    }

    /// Checks a permutation. Of two observations the second counts, unless it shows less than the first.
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
        let fails = |judged: &Judged| match judged {
            Judged::Checked { checked, .. } => checked.fails(profile),
            Judged::CouldNotRun(_) => false,
        };
        let first = check(settled.first);
        match settled.again.map(check) {
            Some(again) if fails(&again) || !fails(&first) => again,
            _ => first,
        }
    }

    /// Compares the members of a complete group and makes their results.
    fn group(&self, mut members: BTreeMap<usize, Judged>) -> Vec<PermutationResult> {
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
        if let Some(first) = members_first(&self.plan, &compared) {
            self.engines[&first.suite].compare(&mut compared);
        }
        drop(compared);
        let result = |(at, judged): (usize, Judged)| {
            let text = texts.get(&at).cloned().unwrap_or_default();
            self.result(&self.plan.permutations[at], judged, text)
        };
        members.into_iter().map(result).collect()
    }

    fn result(
        &self,
        permutation: &Permutation,
        judged: Judged,
        observation_text: String,
    ) -> PermutationResult {
        let mut result = PermutationResult {
            name: permutation.name.to_string(),
            group: permutation.group.clone(),
            outcome: Outcome::CouldNotRun,
            duration_ms: 0,
            traces: Vec::new(),
            observation: observation_text,
            rules: BTreeMap::new(),
            findings: Vec::new(),
            reason: None,
        };
        match judged {
            Judged::CouldNotRun(reason) => result.reason = Some(reason),
            Judged::Checked { observation, checked, duration } => {
                (result.outcome, result.reason) = outcome(permutation, &checked, self.profile(permutation));
                result.duration_ms = duration.as_millis() as u64;
                result.traces = traces(&observation);
                result.rules =
                    checked.verdicts.into_iter().map(|(rule, verdict)| (rule.to_owned(), verdict)).collect();
                result.findings = checked.findings;
            }
        }
        result
    }
}

/// The first compared member's permutation.
fn members_first<'p>(plan: &'p Plan, members: &[Member<'_>]) -> Option<&'p Permutation> {
    let name = members.first()?.name;
    plan.permutations.iter().find(|permutation| permutation.name.as_str() == name)
}

/// How a permutation ended, and which known failure it met or should have.
fn outcome(permutation: &Permutation, checked: &Checked, profile: Profile) -> (Outcome, Option<String>) {
    let failing: Vec<&Finding> = checked.root_causes().filter(|one| profile.fails_at(one.level)).collect();
    let covers =
        |rule: &str| permutation.known.iter().find(|entry| entry.rules.iter().any(|known| known == rule));
    let is_stale =
        |rules: &[String]| !checked.findings.iter().any(|one| rules.iter().any(|rule| *rule == one.rule));
    let stale = permutation.known.iter().find(|entry| !entry.flaky && is_stale(&entry.rules));
    if failing.iter().any(|finding| covers(&finding.rule).is_none()) {
        (Outcome::Failed, None)
    } else if let Some(entry) = stale {
        let why = format!(
            "listed as known to fail ({}), and it does not: remove `{}`",
            entry.reason,
            entry.pattern.as_str()
        );
        (Outcome::UnexpectedlyPassed, Some(why))
    } else if let Some(entry) = failing.first().and_then(|finding| covers(&finding.rule)) {
        (Outcome::FailedAsKnown, Some(entry.reason.clone()))
    } else {
        (Outcome::Passed, None)
    }
}

/// The traces of an observation, each with its tree in normal form: the driver's first, in the order of its requests, then
/// the others in the order of their trees, so that it does not matter which came first.
pub(crate) fn traces(observation: &Observation) -> Vec<TraceSummary> {
    let mut traces: IndexMap<TraceId, Vec<Span>> = IndexMap::new();
    for span in &observation.spans {
        traces.entry(span.trace_id).or_default().push(span.clone());
    }
    let driven = traces.values().take_while(|spans| spans.iter().any(Span::is_driver)).count();
    let summary = |(trace_id, spans): (TraceId, Vec<Span>)| {
        let count = spans.iter().filter(|span| !span.is_driver()).count();
        let is_of_trace = |request: &&Request| request.trace_id == trace_id;
        let requests = observation.requests.iter().filter(is_of_trace).cloned().collect();
        let one = agreeing(&Observation { spans, requests, ..Observation::default() });
        // The normal form has names of its own for traces.
        let tree = one.spans.first().map(|span| notation::print_trace(&one, span.trace_id));
        TraceSummary { trace_id, spans: count, tree: tree.unwrap_or_default() }
    };
    let mut summaries: Vec<TraceSummary> = traces.into_iter().map(summary).collect();
    summaries[driven..].sort_by(|one, other| one.tree.cmp(&other.tree));
    summaries
}
