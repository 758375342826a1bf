//! A log line says the wrong thing of sampling.

use foldhash::{HashMap, HashSet};
use serde_json::Value;
use spanwise_model::{Evidence, Level, TraceId};

use crate::log_lines::{LogLines, Mistakes, SAMPLED};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-sampled-wrong",
    family: Family::Logs,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs, Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

`logging.googleapis.com/trace_sampled` says what is true of the trace that the line names: `true` where spans of the service came
for it, `false` where the service received the trace as not sampled and no span came. A line without the field says nothing.
One finding for each service and value.

## Why it matters

With `true` on every line, each line of an unsampled request shows a link to a trace that does not exist, and that is most of
them under load. With `false` on a sampled one, the link is not shown although the trace is there.

## Bad

```trace
driver CLIENT "POST /greet" 200 unsampled id=S1 to=api-service
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-00
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/trace_sampled":true}
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/spanId":"{S2}","logging.googleapis.com/trace_sampled":true}
```

## How to fix

- Rust: write `span_context.is_sampled()`.
- Python: write `context.trace_flags.sampled`; the logging handlers of some frameworks write a constant.
- Go: write `sc.IsSampled()`.
- Node: write `(spanContext.traceFlags & TraceFlags.SAMPLED) !== 0`.
- Java: write `SpanContext.isSampled()`; the MDC has it as `trace_flags` in hexadecimal digits.

## References

- Cloud Logging, `LogEntry.traceSampled`: <https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry>
- Cloud Trace, "Link log entries with traces": <https://cloud.google.com/trace/docs/trace-log-integration>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let bits = Bits::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.structured(findings) {
        let Some(said) = line.field(SAMPLED).and_then(truth) else { continue };
        let Some(real) = line.trace().and_then(|trace| bits.of_trace(line.service(), trace.id)) else {
            continue;
        };
        findings.looked();
        if said != real {
            mistakes.add(said, line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, said| {
            let real = if *said { "are not sampled" } else { "are sampled" };
            format!("{service} wrote {lines} with trace_sampled {said} for traces that {real}.")
        },
        |report, said| {
            report.expected(format!("{SAMPLED} {}", !said)).fact("trace_sampled", *said);
        },
    );
}

/// What a value says; some loggers write it as a text.
fn truth(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| value.as_str()?.parse().ok())
}

/// Which traces are sampled, as far as a service can have known.
struct Bits<'i> {
    /// Traces of which a service exported spans.
    exported: HashSet<(&'i str, TraceId)>,
    /// Traces that a service received, and whether any header said that they are sampled.
    received: HashMap<(&'i str, TraceId), bool>,
}

impl<'i> Bits<'i> {
    fn of(index: &'i Index<'i>) -> Bits<'i> {
        let exported = index.nodes().filter_map(|node| Some((node.service()?, node.trace_id)));
        let mut received = HashMap::default();
        for hop in index.hops() {
            // Where it reads no header that came, its logger may.
            if let Some(context) = hop.context().or_else(|| hop.tap().context()) {
                let bit = received.entry((hop.to(), context.trace_id)).or_insert(false);
                *bit |= context.sampled == Some(true);
            }
        }
        Bits { exported: exported.collect(), received }
    }

    /// `None` where the trace was received as sampled and nothing of it came, or is not known at all.
    fn of_trace(&self, service: &str, trace: TraceId) -> Option<bool> {
        if self.exported.contains(&(service, trace)) {
            return Some(true);
        }
        self.received.get(&(service, trace)).filter(|sampled| !**sampled).copied()
    }
}
