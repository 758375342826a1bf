//! Checks what others recorded: OTLP JSON lines, Cloud Trace JSON lines, recordings of `spanwise collect`.
//!
//! All files together are one observation, so that a trace may be spread over them; the results are one a trace, and one
//! for each file that holds nothing.

use std::collections::BTreeMap;

use spanwise_check::{Checked, Engine, Profile};
use spanwise_collect::read_recording;
use spanwise_decode::read_lines;
use spanwise_model::{
    Defect, Evidence, Export, Finding, Observation, Outcome, PermutationResult, RunEvent, Span, Summary,
    TraceId, Verdict,
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
        if read.exports.is_empty() {
            empty.push(file.file.as_str());
        }
        append(&mut whole, read);
    }
    let engine = Engine::new(profile);
    let (mut results, strays) = results(&engine, profile, &whole);
    for file in empty {
        let nothing = observation(file);
        let checked = engine.check(&nothing);
        results.push(result(file.to_owned(), &nothing, verdicts(&checked), checked.findings, profile));
    }
    on_event(&RunEvent::Started { suites: Vec::new(), permutations: results.len() });
    let mut summary = Summary::default();
    for result in results {
        summary.add(result.outcome);
        on_event(&RunEvent::Finished(Box::new(result)));
    }
    let duration_ms = begun.elapsed().as_millis() as u64;
    on_event(&RunEvent::Ended { strays, summary, duration_ms });
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
                project: decoded.project,
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

/// One result a trace, in the order the traces came, and the findings that belong to none.
fn results(engine: &Engine, profile: Profile, whole: &Observation) -> (Vec<PermutationResult>, Vec<Finding>) {
    if whole.exports.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let findings = engine.check(whole).findings;
    let mut of_trace: BTreeMap<Option<TraceId>, Vec<usize>> = BTreeMap::new();
    for at in 0..findings.len() {
        of_trace.entry(findings[root(&findings, at)].trace_id).or_default().push(at);
    }
    let mut results = Vec::new();
    for one in each_trace(whole) {
        let trace = one.spans.first().map(|span| span.trace_id);
        let own = take(&findings, &of_trace.remove(&trace).unwrap_or_default());
        let mut verdicts = verdicts(&engine.check(&one));
        // Alone, a trace may look worse than beside the others; what fails is what failed in the whole.
        verdicts
            .values_mut()
            .filter(|verdict| **verdict == Verdict::Fail)
            .for_each(|verdict| *verdict = Verdict::Pass);
        for finding in findings.iter().filter(|finding| finding.trace_id == trace) {
            verdicts.insert(finding.rule.to_string(), Verdict::Fail);
        }
        results.push(result(one.name.clone(), &one, verdicts, own, profile));
    }
    let rest: Vec<usize> = of_trace.into_values().flatten().collect();
    (results, take(&findings, &rest))
}

/// The finding that explains this one in the end.
fn root(findings: &[Finding], mut at: usize) -> usize {
    while let Some(cause) = findings[at].consequence_of {
        at = cause;
    }
    at
}

/// Some of the findings, with their references to each other moved along.
fn take(findings: &[Finding], wanted: &[usize]) -> Vec<Finding> {
    let place = |cause: usize| wanted.iter().position(|at| *at == cause);
    let taken = wanted.iter().map(|at| {
        let finding = findings[*at].clone();
        Finding { consequence_of: finding.consequence_of.and_then(place), ..finding }
    });
    taken.collect()
}

fn each_trace(whole: &Observation) -> Vec<Observation> {
    let mut traces: indexmap::IndexMap<TraceId, Observation> = indexmap::IndexMap::new();
    for span in &whole.spans {
        let one = traces.entry(span.trace_id).or_insert_with(|| Observation {
            exports: whole.exports.clone(),
            ..observation(&span.trace_id.to_string())
        });
        one.spans.push(span.clone());
    }
    for defect in &whole.defects {
        if let Some(one) = defect.trace_id.and_then(|trace| traces.get_mut(&trace)) {
            one.defects.push(defect.clone());
        }
    }
    traces.into_values().collect()
}

fn verdicts(checked: &Checked) -> BTreeMap<String, Verdict> {
    checked.verdicts.iter().map(|(rule, verdict)| ((*rule).to_owned(), *verdict)).collect()
}

fn result(
    name: String,
    observation: &Observation,
    rules: BTreeMap<String, Verdict>,
    findings: Vec<Finding>,
    profile: Profile,
) -> PermutationResult {
    let is_root = |finding: &&Finding| finding.consequence_of.is_none();
    let fails = findings.iter().filter(is_root).any(|finding| profile.fails_at(finding.level));
    PermutationResult {
        group: name.clone(),
        name,
        outcome: if fails { Outcome::Failed } else { Outcome::Passed },
        duration_ms: 0,
        traces: traces(observation),
        observation: String::new(),
        rules,
        findings,
        reason: None,
    }
}
