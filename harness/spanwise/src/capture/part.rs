//! What was found in a part of a capture, trace by trace.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::{IndexMap, IndexSet};
use spanwise_check::Verdicts;
use spanwise_model::{Finding, Observation, TraceId, Verdict};

use super::observation;

/// The findings of a part, by the trace that they are told with.
pub(super) struct FoundByTrace {
    findings: Vec<Finding>,
    /// Positions in ascending order, by the trace of the finding that explains them.
    told_with: BTreeMap<Option<TraceId>, Vec<usize>>,
    /// The rules that found something, by the trace they found it in.
    failed: HashMap<TraceId, BTreeSet<String>>,
}

impl FoundByTrace {
    pub(super) fn of(findings: Vec<Finding>) -> FoundByTrace {
        let mut told_with: BTreeMap<Option<TraceId>, Vec<usize>> = BTreeMap::new();
        let mut failed: HashMap<TraceId, BTreeSet<String>> = HashMap::new();
        for (at, finding) in findings.iter().enumerate() {
            // What a finding explains is explained by no other.
            let cause = finding.consequence_of.unwrap_or(at);
            told_with.entry(findings[cause].trace_id).or_default().push(at);
            if let Some(trace) = finding.trace_id {
                failed.entry(trace).or_default().insert(finding.rule.to_string());
            }
        }
        FoundByTrace { findings, told_with, failed }
    }

    /// Takes what is told with a trace, with the references of findings to each other moved along.
    pub(super) fn take(&mut self, trace: Option<TraceId>) -> Vec<Finding> {
        let wanted = self.told_with.remove(&trace).unwrap_or_default();
        let taken = wanted.iter().map(|at| {
            let finding = self.findings[*at].clone();
            let cause = finding.consequence_of.and_then(|cause| wanted.binary_search(&cause).ok());
            Finding { consequence_of: cause, ..finding }
        });
        taken.collect()
    }

    /// What was told with no trace.
    pub(super) fn rest(mut self) -> Vec<Finding> {
        let traces: Vec<_> = self.told_with.keys().copied().collect();
        traces.into_iter().flat_map(|trace| self.take(trace)).collect()
    }

    /// Alone, a trace may look worse than beside the others; what fails is what failed in the part.
    pub(super) fn correct(&self, trace: TraceId, verdicts: &mut Verdicts) {
        let failed = self.failed.get(&trace);
        for (rule, verdict) in verdicts.iter_mut() {
            if failed.is_some_and(|rules| rules.contains(rule)) {
                *verdict = Verdict::Fail;
            } else if *verdict == Verdict::Fail {
                *verdict = Verdict::Pass;
            }
        }
    }
}

/// What a part holds of one trace, as positions in it.
#[derive(Default)]
pub(super) struct Positions {
    spans: Vec<usize>,
    defects: Vec<usize>,
}

/// The traces of a part in the order they came.
pub(super) fn traces_of(part: &Observation) -> IndexMap<TraceId, Positions> {
    let mut traces: IndexMap<TraceId, Positions> = IndexMap::new();
    for (at, span) in part.spans.iter().enumerate() {
        traces.entry(span.trace_id).or_default().spans.push(at);
    }
    for (at, defect) in part.defects.iter().enumerate() {
        if let Some(positions) = defect.trace_id.and_then(|trace| traces.get_mut(&trace)) {
            positions.defects.push(at);
        }
    }
    traces
}

/// Moves one trace out of a part, with the export requests that carried it.
pub(super) fn take_trace(part: &mut Observation, trace: TraceId, positions: &Positions) -> Observation {
    let mut one = observation(&trace.to_string());
    one.spans = positions.spans.iter().map(|at| std::mem::take(&mut part.spans[*at])).collect();
    one.defects = positions.defects.iter().map(|at| part.defects[*at].clone()).collect();
    let mut places: IndexSet<usize> = IndexSet::new();
    let exports = one.spans.iter_mut().map(|span| &mut span.export);
    for export in exports.chain(one.defects.iter_mut().map(|defect| &mut defect.export)) {
        *export = export.map(|at| places.insert_full(at).0);
    }
    one.exports = places.iter().map(|at| part.exports[*at].clone()).collect();
    one
}
