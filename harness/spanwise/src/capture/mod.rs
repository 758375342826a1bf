//! Checks what others recorded: OTLP JSON lines, Cloud Trace JSON lines, recordings of `spanwise collect`.
//!
//! All files together are one capture, so that a trace may be spread over them; the results are one a trace, and one for each
//! file that holds nothing. No more than a part of the traces is in memory at a time (`places`): a capture of up to
//! 100,000 spans is one part, and what relates traces to each other, or speaks of a service as a whole, is told once a part.

mod file;
mod part;
mod places;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use spanwise_check::conventions::Registry;
use spanwise_check::{Engine, Index, Profile, Verdicts};
use spanwise_model::{
    Evidence, Finding, Label, Observation, Outcome, PermutationResult, RunEvent, SpanId, Summary, Verdict,
};

pub use file::{CaptureError, CaptureFile};

use crate::run::traces;
use part::{FoundByTrace, take_trace, traces_of};
use places::Places;

/// Spans that are looked at together, at least where there are as many: traces are not cut.
const PART: usize = 100_000;

/// Checks captures and tells `on_event` the results; the last event is [`RunEvent::Ended`].
///
/// # Errors
/// The first line of a file that is no JSON, or no export request; nothing is told then. Files that change while they are
/// read fail at any time.
pub fn check(
    files: &mut [CaptureFile],
    profile: Profile,
    on_event: impl FnMut(&RunEvent),
) -> Result<Summary, CaptureError> {
    check_with(files, profile, &[], on_event)
}

/// Checks captures as [`check`] does, with labels that are added to the semantic conventions.
pub fn check_with(
    files: &mut [CaptureFile],
    profile: Profile,
    labels: &[Label],
    on_event: impl FnMut(&RunEvent),
) -> Result<Summary, CaptureError> {
    let engine = match labels {
        [] => Engine::new(profile),
        labels => Engine::new(profile).with_registry(Arc::new(Registry::with(labels))),
    };
    check_in_parts(files, engine, profile, PART, on_event)
}

fn check_in_parts(
    files: &mut [CaptureFile],
    engine: Engine,
    profile: Profile,
    spans: usize,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Summary, CaptureError> {
    let begun = std::time::Instant::now();
    let places = Places::read(files)?;
    let permutations = places.traces() + places.empty.len();
    on_event(&RunEvent::Started { suites: Vec::new(), permutations, part: None });
    let mut summary = Summary::default();
    let mut tell = |result: PermutationResult| {
        summary.add(result.outcome);
        on_event(&RunEvent::Finished(Box::new(result)));
    };
    let mut checker = Checker { engine, profile, verdicts: HashMap::new() };
    let mut strays = Vec::new();
    for part in places.parts(spans) {
        strays.extend(checker.part(places.observation(files, part)?, &mut tell));
    }
    for nothing in &places.empty {
        let checked = checker.engine.check(nothing);
        tell(checker.result(nothing, checked.verdicts, checked.findings));
    }
    let duration_ms = begun.elapsed().as_millis() as u64;
    let strays_fail = strays.iter().any(|finding: &Finding| profile.fails_at(finding.level));
    on_event(&RunEvent::Ended { strays, strays_fail, summary, duration_ms });
    Ok(summary)
}

fn observation(name: &str) -> Observation {
    let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
    Observation { name: name.to_owned(), recorded, ..Observation::default() }
}

/// Makes results of traces.
struct Checker {
    engine: Engine,
    profile: Profile,
    /// Traces are many, and what all rules say of them is mostly the same.
    verdicts: HashMap<Verdicts, Arc<BTreeMap<String, Verdict>>>,
}

impl Checker {
    /// Tells the result of each trace of a part; gives the findings that belong to none.
    fn part(&mut self, mut part: Observation, tell: &mut impl FnMut(PermutationResult)) -> Vec<Finding> {
        let mut found = FoundByTrace::of(self.engine.check(&part).findings);
        for (trace, positions) in traces_of(&part) {
            let one = take_trace(&mut part, trace, &positions);
            let mut verdicts = self.engine.check(&one).verdicts;
            found.correct(trace, &mut verdicts);
            tell(self.result(&one, verdicts, found.take(Some(trace))));
        }
        found.rest()
    }

    fn result(
        &mut self,
        observation: &Observation,
        rules: Verdicts,
        findings: Vec<Finding>,
    ) -> PermutationResult {
        let is_root = |finding: &&Finding| finding.consequence_of.is_none();
        let fails = findings.iter().filter(is_root).any(|finding| self.profile.fails_at(finding.level));
        let mut traces = traces(observation);
        let callers = callers(observation);
        traces.iter_mut().for_each(|trace| trace.tree.insert_str(0, &callers));
        let outcome = if fails { Outcome::Failed } else { Outcome::Passed };
        let mut result =
            PermutationResult::new(observation.name.as_str(), observation.name.as_str(), outcome);
        (result.traces, result.rules, result.findings) = (traces, self.shared(rules), findings);
        result
    }

    fn shared(&mut self, verdicts: Verdicts) -> Arc<BTreeMap<String, Verdict>> {
        let owned = |verdicts: &Verdicts| {
            let verdicts = verdicts.iter().map(|(rule, verdict)| (rule.to_owned(), verdict));
            Arc::new(verdicts.collect())
        };
        self.verdicts.entry(verdicts).or_insert_with_key(owned).clone()
    }
}

/// Says of parents outside of the capture that they are taken for callers, in comments of the notation.
fn callers(observation: &Observation) -> String {
    let index = Index::new(observation);
    let mut parents: IndexMap<SpanId, String> = IndexMap::new();
    for node in index.called_from_outside() {
        let called =
            || format!("{} {} \"{}\"", node.shown_service(), node.kind.as_str(), node.name.escape_debug());
        node.parent_span_id.map(|parent| parents.entry(parent).or_insert_with(called));
    }
    let line = |(parent, called)| {
        format!("# {called} was called from outside of the capture, by the span {parent}.\n")
    };
    parents.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests;
