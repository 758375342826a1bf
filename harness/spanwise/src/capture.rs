//! Checks what others recorded: OTLP JSON lines, Cloud Trace JSON lines, recordings of `spanwise collect`.
//!
//! All files together are one observation, so that a trace may be spread over them; the results are one a trace, and one
//! for each file that holds nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use indexmap::{IndexMap, IndexSet};
use spanwise_check::{Checked, Engine, Index, Profile};
use spanwise_collect::read_recording;
use spanwise_decode::read_lines;
use spanwise_model::{
    Defect, Evidence, Export, Finding, Observation, Outcome, PermutationResult, RunEvent, Span, SpanId,
    Summary, TraceId, Verdict,
};

use crate::run::traces;

/// A file that was read.
#[derive(Clone, Debug)]
pub struct CaptureText {
    /// Its name as the user wrote it.
    pub file: String,
    /// What it holds.
    pub text: String,
}

/// A file that holds something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct CaptureError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in bytes; 1 where it is not known.
    pub column: usize,
    /// What is wrong: a lower-case fragment.
    pub reason: String,
}

/// Checks captures and tells `on_event` the results; the last event is [`RunEvent::Ended`].
///
/// # Errors
/// The first line of a file that is no JSON, or no export request; nothing is told then.
pub fn check(
    files: &[CaptureText],
    profile: Profile,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Summary, CaptureError> {
    let begun = std::time::Instant::now();
    let mut whole = observation("capture");
    let mut empty = Vec::new();
    for file in files {
        let read = read(file)?;
        if read.spans.is_empty() {
            let mut nothing = observation(&file.file);
            append(&mut nothing, read);
            empty.push(nothing);
        } else {
            append(&mut whole, read);
        }
    }
    let engine = Engine::new(profile);
    let mut findings =
        ByTrace::of(if whole.spans.is_empty() { Vec::new() } else { engine.check(&whole).findings });
    let parts = parts(&whole);
    on_event(&RunEvent::Started { suites: Vec::new(), permutations: parts.len() + empty.len() });
    let mut summary = Summary::default();
    let mut tell = |result: PermutationResult| {
        summary.add(result.outcome);
        on_event(&RunEvent::Finished(Box::new(result)));
    };
    for (trace, part) in parts {
        let one = take_part(&mut whole, trace, &part);
        let mut verdicts = verdicts(&engine.check(&one));
        findings.correct(trace, &mut verdicts);
        tell(result(&one, verdicts, findings.take(Some(trace)), profile));
    }
    for nothing in empty {
        let checked = engine.check(&nothing);
        tell(result(&nothing, verdicts(&checked), checked.findings, profile));
    }
    let duration_ms = begun.elapsed().as_millis() as u64;
    on_event(&RunEvent::Ended { strays: findings.rest(), summary, duration_ms });
    Ok(summary)
}

fn observation(name: &str) -> Observation {
    let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
    Observation { name: name.to_owned(), recorded, ..Observation::default() }
}

/// What one file holds; indices are the file's own.
#[derive(Default)]
struct Read {
    spans: Vec<Span>,
    defects: Vec<Defect>,
    exports: Vec<Export>,
}

fn read(file: &CaptureText) -> Result<Read, CaptureError> {
    let error = |line, column, reason| CaptureError { file: file.file.clone(), line, column, reason };
    let mut read = Read::default();
    if file.text.trim_start().starts_with("{\"recording\"") {
        let recorded = read_recording(&file.text).map_err(|wrong| error(wrong.line, 1, wrong.to_string()))?;
        for (at, one) in recorded.iter().enumerate() {
            let decoded =
                one.decode().map_err(|wrong| error(at + 1, 1, format!("payload is no base64: {wrong}")))?;
            let bytes = one.bytes().map_or(0, |bytes| bytes.len() as u64);
            let mut spans = decoded.spans;
            spans.iter_mut().for_each(|span| span.source = one.source.clone());
            read.exports.push(Export {
                source: one.source.clone(),
                protocol: one.protocol,
                time: one.time,
                headers: one.headers.clone(),
                bytes,
                spans: spans.len() as u32,
                carries: Vec::new(),
                project: decoded.project,
                google: false,
                answer: one.answer.clone(),
                would_be_refused: one.would_be_refused.clone(),
            });
            spans.iter_mut().for_each(|span| span.export = Some(at));
            read.spans.extend(spans);
            read.defects
                .extend(decoded.defects.into_iter().map(|defect| Defect { export: Some(at), ..defect }));
        }
        return Ok(read);
    }
    for line in read_lines(&file.text).map_err(|wrong| error(wrong.line, wrong.column, wrong.reason))? {
        read.exports.push(line.export);
        read.spans.extend(line.spans);
        read.defects.extend(line.defects);
    }
    Ok(read)
}

fn append(whole: &mut Observation, read: Read) {
    let before = whole.exports.len();
    let move_by = |export: &mut Option<usize>| *export = export.map(|at| at + before);
    let Read { mut spans, mut defects, exports } = read;
    spans.iter_mut().for_each(|span| move_by(&mut span.export));
    defects.iter_mut().for_each(|defect| move_by(&mut defect.export));
    whole.spans.extend(spans);
    whole.defects.extend(defects);
    whole.exports.extend(exports);
}

/// The findings of the whole capture, by the trace that they are told with.
struct ByTrace {
    findings: Vec<Finding>,
    /// Positions in ascending order, by the trace of the finding that explains them.
    told_with: BTreeMap<Option<TraceId>, Vec<usize>>,
    /// The rules that found something, by the trace they found it in.
    failed: HashMap<TraceId, BTreeSet<String>>,
}

impl ByTrace {
    fn of(findings: Vec<Finding>) -> ByTrace {
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
        ByTrace { findings, told_with, failed }
    }

    /// Takes what is told with a trace, with the references of findings to each other moved along.
    fn take(&mut self, trace: Option<TraceId>) -> Vec<Finding> {
        let wanted = self.told_with.remove(&trace).unwrap_or_default();
        let taken = wanted.iter().map(|at| {
            let finding = self.findings[*at].clone();
            let cause = finding.consequence_of.and_then(|cause| wanted.binary_search(&cause).ok());
            Finding { consequence_of: cause, ..finding }
        });
        taken.collect()
    }

    /// What was told with no trace.
    fn rest(mut self) -> Vec<Finding> {
        let traces: Vec<_> = self.told_with.keys().copied().collect();
        traces.into_iter().flat_map(|trace| self.take(trace)).collect()
    }

    /// Alone, a trace may look worse than beside the others; what fails is what failed in the whole.
    fn correct(&self, trace: TraceId, verdicts: &mut BTreeMap<String, Verdict>) {
        let failed = verdicts.values_mut().filter(|verdict| **verdict == Verdict::Fail);
        failed.for_each(|verdict| *verdict = Verdict::Pass);
        for rule in self.failed.get(&trace).into_iter().flatten() {
            verdicts.insert(rule.clone(), Verdict::Fail);
        }
    }
}

/// What a capture holds of one trace, as positions in it.
#[derive(Default)]
struct Part {
    spans: Vec<usize>,
    defects: Vec<usize>,
}

/// The traces of a capture in the order they came.
fn parts(whole: &Observation) -> IndexMap<TraceId, Part> {
    let mut parts: IndexMap<TraceId, Part> = IndexMap::new();
    for (at, span) in whole.spans.iter().enumerate() {
        parts.entry(span.trace_id).or_default().spans.push(at);
    }
    for (at, defect) in whole.defects.iter().enumerate() {
        if let Some(part) = defect.trace_id.and_then(|trace| parts.get_mut(&trace)) {
            part.defects.push(at);
        }
    }
    parts
}

/// Moves one trace out of a capture, with the export requests that carried it.
fn take_part(whole: &mut Observation, trace: TraceId, part: &Part) -> Observation {
    let mut one = observation(&trace.to_string());
    one.spans = part.spans.iter().map(|at| std::mem::take(&mut whole.spans[*at])).collect();
    one.defects = part.defects.iter().map(|at| whole.defects[*at].clone()).collect();
    let mut places: IndexSet<usize> = IndexSet::new();
    let exports = one.spans.iter_mut().map(|span| &mut span.export);
    for export in exports.chain(one.defects.iter_mut().map(|defect| &mut defect.export)) {
        *export = export.map(|at| places.insert_full(at).0);
    }
    one.exports = places.iter().map(|at| whole.exports[*at].clone()).collect();
    one
}

fn verdicts(checked: &Checked) -> BTreeMap<String, Verdict> {
    checked.verdicts.iter().map(|(rule, verdict)| ((*rule).to_owned(), *verdict)).collect()
}

fn result(
    observation: &Observation,
    rules: BTreeMap<String, Verdict>,
    findings: Vec<Finding>,
    profile: Profile,
) -> PermutationResult {
    let is_root = |finding: &&Finding| finding.consequence_of.is_none();
    let fails = findings.iter().filter(is_root).any(|finding| profile.fails_at(finding.level));
    let mut traces = traces(observation);
    let callers = callers(observation);
    traces.iter_mut().for_each(|trace| trace.tree.insert_str(0, &callers));
    PermutationResult {
        group: observation.name.clone(),
        name: observation.name.clone(),
        outcome: if fails { Outcome::Failed } else { Outcome::Passed },
        duration_ms: 0,
        traces,
        observation: String::new(),
        rules,
        findings,
        reason: None,
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
