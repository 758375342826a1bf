//! The JSON report as a document: one struct an object, one field a key, in the order in which they are written. Used by
//! `json`, which writes it, and by `merged`, which reads it back.
//!
//! The format is a stable interface: what is more than a few numbers is written field by field here, so that a change of the
//! model's structs cannot change it unseen.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spanwise_model::{
    Fact, Finding, Header, Hop, Level, LogRecord, Outcome, Part, PermutationResult, Place, Rounds, Source,
    SpanId, Stream, Summary, TraceId, TraceSummary, Value, Verdict,
};

use crate::findings::span_path;

/// The version that the report says it has.
pub(crate) const SCHEMA_VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Document {
    pub(crate) schema_version: u32,
    pub(crate) summary: Summary,
    /// Absent where the run was broken off.
    pub(crate) duration_ms: Option<u64>,
    pub(crate) strays_fail: bool,
    /// Absent where it is no part of a larger run.
    pub(crate) shard: Option<Part>,
    pub(crate) permutations: Vec<PermutationJson>,
    pub(crate) strays: Vec<FindingJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PermutationJson {
    pub(crate) name: String,
    group: String,
    place: Option<Place>,
    outcome: Outcome,
    duration_ms: u64,
    rounds: Option<Rounds>,
    reason: Option<String>,
    repeat: Option<String>,
    traces: Vec<TraceJson>,
    rules: Arc<BTreeMap<String, Verdict>>,
    findings: Vec<FindingJson>,
    logs: Vec<LogJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceJson {
    trace_id: TraceId,
    spans: usize,
    tree: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingJson {
    rule: String,
    level: Level,
    service: Option<String>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    span_path: String,
    message: String,
    expected: Option<String>,
    actual: Option<String>,
    facts: BTreeMap<String, serde_json::Value>,
    hop: Option<HopJson>,
    consequence_of: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HopJson {
    from: String,
    to: String,
    transport: String,
    headers: Vec<HeaderJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderJson {
    name: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogJson {
    service: Arc<str>,
    instance: u32,
    stream: Stream,
    time_ns: u64,
    line: String,
}

impl PermutationJson {
    pub(crate) fn of(result: &PermutationResult) -> PermutationJson {
        let trace = |trace: &TraceSummary| TraceJson {
            trace_id: trace.trace_id,
            spans: trace.spans,
            tree: trace.tree.clone(),
        };
        let log = |log: &LogRecord| LogJson {
            service: log.source.service.clone(),
            instance: log.source.instance,
            stream: log.stream,
            time_ns: log.time,
            line: log.line.clone(),
        };
        PermutationJson {
            name: result.name.clone(),
            group: result.group.clone(),
            place: result.place.clone(),
            outcome: result.outcome,
            duration_ms: result.duration_ms,
            rounds: result.rounds,
            reason: result.reason.clone(),
            repeat: result.repeat.clone(),
            traces: result.traces.iter().map(trace).collect(),
            rules: result.rules.clone(),
            findings: result.findings.iter().map(FindingJson::of).collect(),
            logs: result.logs.iter().map(log).collect(),
        }
    }

    /// The result of which it was written.
    pub(crate) fn into_result(self) -> PermutationResult {
        let trace = |trace: TraceJson| TraceSummary {
            trace_id: trace.trace_id,
            spans: trace.spans,
            tree: trace.tree,
        };
        let log = |log: LogJson| LogRecord {
            source: Source { service: log.service, instance: log.instance },
            stream: log.stream,
            time: log.time_ns,
            line: log.line,
        };
        PermutationResult {
            name: self.name,
            group: self.group,
            place: self.place,
            outcome: self.outcome,
            duration_ms: self.duration_ms,
            rounds: self.rounds,
            reason: self.reason,
            repeat: self.repeat,
            traces: self.traces.into_iter().map(trace).collect(),
            rules: self.rules,
            findings: self.findings.into_iter().map(FindingJson::into_finding).collect(),
            logs: self.logs.into_iter().map(log).collect(),
        }
    }
}

impl FindingJson {
    pub(crate) fn of(finding: &Finding) -> FindingJson {
        FindingJson {
            rule: finding.rule.to_string(),
            level: finding.level,
            service: finding.service.clone(),
            trace_id: finding.trace_id,
            span_id: finding.span_id,
            span_path: span_path(&finding.span_path),
            message: finding.message.clone(),
            expected: finding.expected.clone(),
            actual: finding.actual.clone(),
            facts: finding.facts.iter().map(|(name, fact)| (name.clone(), json(fact))).collect(),
            hop: finding.hop.as_ref().map(HopJson::of),
            consequence_of: finding.consequence_of,
        }
    }

    /// The finding of which it was written, as far as it was: the span path is one name, because names may hold what stands
    /// between names, and facts have the types that JSON has.
    pub(crate) fn into_finding(self) -> Finding {
        Finding {
            rule: Cow::Owned(self.rule),
            level: self.level,
            service: self.service,
            trace_id: self.trace_id,
            span_id: self.span_id,
            span_path: Some(self.span_path).filter(|path| !path.is_empty()).into_iter().collect(),
            message: self.message,
            expected: self.expected,
            actual: self.actual,
            facts: self.facts.into_iter().map(|(name, value)| (name, fact(value))).collect(),
            hop: self.hop.map(HopJson::into_hop),
            consequence_of: self.consequence_of,
        }
    }
}

impl HopJson {
    fn of(hop: &Hop) -> HopJson {
        let header =
            |Header { name, value }: &Header| HeaderJson { name: name.clone(), value: value.clone() };
        HopJson {
            from: hop.from.clone(),
            to: hop.to.clone(),
            transport: hop.transport.clone(),
            headers: hop.headers.iter().map(header).collect(),
        }
    }

    fn into_hop(self) -> Hop {
        let header = |HeaderJson { name, value }: HeaderJson| Header { name, value };
        Hop {
            from: self.from,
            to: self.to,
            transport: self.transport,
            headers: self.headers.into_iter().map(header).collect(),
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

/// A fact of plain JSON; written again it is the same.
fn fact(value: serde_json::Value) -> Fact {
    use serde_json::Value as Json;
    match value {
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::Str(text),
        Json::Array(items) => Value::Array(items.into_iter().map(fact).collect()),
        Json::Object(entries) => {
            Value::Map(entries.into_iter().map(|(key, value)| (key, fact(value))).collect())
        }
        // No fact is nothing; a report that says so was not written by us.
        Json::Null => Value::Str("null".to_owned()),
    }
}
