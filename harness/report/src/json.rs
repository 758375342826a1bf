//! The report for programs: one JSON document, version 1 of the schema in `fixtures/schema/report.schema.json`.
//!
//! The format is a stable interface: it is written field by field here, so that a change of the model's structs cannot
//! change it unseen.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use serde::{Serialize, Serializer};
use spanwise_model::{Finding, Header, Hop, PermutationResult, RunEvent, Summary, Value, Verdict};

use crate::Reporter;
use crate::findings::span_path;

/// The version that the report says it has.
const SCHEMA_VERSION: u32 = 1;

/// Writes one JSON document at the end of the run.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    permutations: Vec<PermutationJson>,
    strays: Vec<FindingJson>,
    /// Counted from the results, so that it is right for a run that was broken off too.
    summary: Summary,
}

impl<W: Write> Json<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W) -> Json<W> {
        Json { out, permutations: Vec::new(), strays: Vec::new(), summary: Summary::default() }
    }
}

impl<W: Write> Reporter for Json<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Finished(result) => {
                self.summary.add(result.outcome);
                self.permutations.push(PermutationJson::of(result));
            }
            RunEvent::Ended { strays, .. } => self.strays = strays.iter().map(FindingJson::of).collect(),
            RunEvent::Started { .. }
            | RunEvent::ServiceReady { .. }
            | RunEvent::ServiceFailed { .. }
            | RunEvent::StubUnmatched { .. }
            | RunEvent::Observed { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        // Permutations end in whatever order they end; the report of the same results is the same.
        self.permutations.sort_by(|one, other| one.name.cmp(&other.name));
        let report = ReportJson {
            schema_version: SCHEMA_VERSION,
            summary: SummaryJson {
                passed: self.summary.passed,
                failed: self.summary.failed,
                failed_as_known: self.summary.failed_as_known,
                unexpectedly_passed: self.summary.unexpectedly_passed,
                could_not_run: self.summary.could_not_run,
            },
            permutations: &self.permutations,
            strays: &self.strays,
        };
        serde_json::to_writer_pretty(&mut self.out, &report)?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

#[derive(Serialize)]
struct ReportJson<'r> {
    schema_version: u32,
    summary: SummaryJson,
    permutations: &'r [PermutationJson],
    strays: &'r [FindingJson],
}

#[derive(Serialize)]
struct SummaryJson {
    passed: usize,
    failed: usize,
    failed_as_known: usize,
    unexpectedly_passed: usize,
    could_not_run: usize,
}

#[derive(Debug, Serialize)]
struct PermutationJson {
    name: String,
    outcome: &'static str,
    duration_ms: u64,
    reason: Option<String>,
    traces: Vec<TraceJson>,
    #[serde(serialize_with = "words")]
    rules: Arc<BTreeMap<String, Verdict>>,
    findings: Vec<FindingJson>,
}

#[derive(Debug, Serialize)]
struct TraceJson {
    trace_id: String,
    spans: usize,
    tree: String,
}

#[derive(Debug, Serialize)]
struct FindingJson {
    rule: String,
    level: &'static str,
    service: Option<String>,
    trace_id: Option<String>,
    span_id: Option<String>,
    span_path: String,
    message: String,
    expected: Option<String>,
    actual: Option<String>,
    facts: BTreeMap<String, serde_json::Value>,
    hop: Option<HopJson>,
    consequence_of: Option<usize>,
}

#[derive(Debug, Serialize)]
struct HopJson {
    from: String,
    to: String,
    transport: String,
    headers: Vec<HeaderJson>,
}

#[derive(Debug, Serialize)]
struct HeaderJson {
    name: String,
    value: String,
}

impl PermutationJson {
    fn of(result: &PermutationResult) -> PermutationJson {
        let trace = |trace: &spanwise_model::TraceSummary| TraceJson {
            trace_id: trace.trace_id.to_string(),
            spans: trace.spans,
            tree: trace.tree.clone(),
        };
        PermutationJson {
            name: result.name.clone(),
            outcome: result.outcome.as_str(),
            duration_ms: result.duration_ms,
            reason: result.reason.clone(),
            traces: result.traces.iter().map(trace).collect(),
            rules: result.rules.clone(),
            findings: result.findings.iter().map(FindingJson::of).collect(),
        }
    }
}

fn words<S: Serializer>(rules: &BTreeMap<String, Verdict>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(rules.iter().map(|(rule, verdict)| (rule, verdict.as_str())))
}

impl FindingJson {
    fn of(finding: &Finding) -> FindingJson {
        FindingJson {
            rule: finding.rule.to_string(),
            level: finding.level.as_str(),
            service: finding.service.clone(),
            trace_id: finding.trace_id.map(|id| id.to_string()),
            span_id: finding.span_id.map(|id| id.to_string()),
            span_path: span_path(&finding.span_path),
            message: finding.message.clone(),
            expected: finding.expected.clone(),
            actual: finding.actual.clone(),
            facts: finding.facts.iter().map(|(name, fact)| (name.clone(), json(fact))).collect(),
            hop: finding.hop.as_ref().map(HopJson::of),
            consequence_of: finding.consequence_of,
        }
    }
}

impl HopJson {
    fn of(hop: &Hop) -> HopJson {
        let header =
            |header: &Header| HeaderJson { name: header.name.clone(), value: header.value.to_string() };
        HopJson {
            from: hop.from.clone(),
            to: hop.to.clone(),
            transport: hop.transport.clone(),
            headers: hop.headers.iter().map(header).collect(),
        }
    }
}

/// A fact as plain JSON: numbers stay numbers; bytes, scrubbed values and numbers that JSON lacks become text.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Int(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Double(number) if number.is_finite() => (*number).into(),
        Value::Array(items) => items.iter().map(json).collect(),
        Value::Map(entries) => entries.iter().map(|(key, value)| (key.clone(), json(value))).collect(),
        Value::Str(_) | Value::Double(_) | Value::Bytes(_) | Value::Scrubbed(_) => value.to_string().into(),
    }
}
