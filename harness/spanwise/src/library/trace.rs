//! A trace as a test sees it: its tree as text, its spans, and what the rules say of it.

use std::fmt;
use std::sync::Arc;

use spanwise_check::Profile;
use spanwise_model::{Finding, Observation, Outcome, PermutationResult, Span, TraceId};
use spanwise_report as report;

use super::run::Laws;
use crate::run::{Seen, failing, traces};

/// All that is known of a request, or of a trace, and what the rules say of it.
///
/// Its `Display` is the tree in normal form: what differs from run to run stands in angle brackets, so that a snapshot can hold
/// it. It is the same whatever channel, exporter and propagation were used. Labels of your own whose values differ, such as the id of a
/// new order, are named with `key("varying-labels", ["order.id"])`, or under `varying-labels` of a suite file.
#[derive(Clone, Debug)]
pub struct Trace {
    observation: Arc<Observation>,
    findings: Vec<Finding>,
    laws: Arc<Laws>,
    tree: String,
    notes: Vec<String>,
}

impl Trace {
    pub(super) fn new(seen: Seen, laws: Arc<Laws>) -> Trace {
        let Seen { observation, notes } = seen;
        let findings = laws.engine(laws.profile).check(&observation).findings;
        let trees: Vec<String> =
            traces(&observation).iter().map(|trace| trace.tree.trim_end().to_owned()).collect();
        Trace { observation: Arc::new(observation), findings, laws, tree: trees.join("\n"), notes }
    }

    /// What the rules of the harness's profile found, each with what it is a consequence of.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The spans that services exported; the driver's own is not among them.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        self.observation.spans.iter().filter(|span| !span.is_driver())
    }

    /// The ids of the traces that the spans are of: one, where everything is right and one request was made.
    pub fn ids(&self) -> Vec<TraceId> {
        let mut ids = Vec::new();
        for span in &self.observation.spans {
            if !ids.contains(&span.trace_id) {
                ids.push(span.trace_id);
            }
        }
        ids
    }

    /// Whether something had not come when the deadline passed. [`Trace::notes`] says what.
    pub fn is_incomplete(&self) -> bool {
        self.observation.settings.deadline_passed
    }

    /// What else there is to know when something is missing: what was waited for in vain, which service is gone.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// All evidence: the wire, log lines, export requests, processes.
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    pub(super) fn profile(&self) -> Profile {
        self.laws.profile
    }

    /// What another profile finds.
    pub(super) fn found_by(&self, profile: Profile) -> Vec<Finding> {
        self.laws.engine(profile).check(&self.observation).findings
    }

    /// Whether there is a rule of this name.
    pub(super) fn has_rule(&self, name: &str) -> bool {
        self.laws.has_rule(name)
    }

    /// Tree and findings as the report for a person shows them.
    pub(super) fn told(&self, findings: Vec<Finding>, profile: Profile) -> String {
        let fails = failing(&findings, profile).next().is_some();
        let name = self.observation.name.clone();
        let outcome = if fails { Outcome::Failed } else { Outcome::Passed };
        let traces = traces(&self.observation);
        let result = PermutationResult { traces, findings, ..PermutationResult::new(&name, &name, outcome) };
        let mut told = report::described(&result);
        for note in &self.notes {
            told.push_str(&format!("  note: {}\n", note.replace('\n', "\n    ")));
        }
        told
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.tree)
    }
}
