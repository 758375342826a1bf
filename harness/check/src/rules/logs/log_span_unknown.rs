//! A log line names a span that was not exported.

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, SpanId, TraceId};

use crate::log_lines::{LogLines, Mistakes, SPAN};
use crate::{Check, Family, Findings, Hop, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-span-unknown",
    family: Family::Logs,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs, Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

The span that `logging.googleapis.com/spanId` names is one that came with the trace of the line, or one that a header named to
the service. It is asked where spans of the service came for that trace, and none is known to be missing. One finding for each
service.

## Why it matters

Cloud Trace shows log lines beside the span they name. A line with the id of a span that does not exist is shown nowhere; most
often the id belongs to an object that only looked like a span, or is made up by the logger.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/spanId":"{P7}"}
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

- Rust: read the span id of the OpenTelemetry context; the id of a `tracing` span is another number.
- Python: read the current span when the line is written, not when the logger is made.
- Go: pass the context of the innermost span to the logger.
- Node: read `trace.getActiveSpan()` when the line is written; make no ids of your own.
- Java: let the agent fill in the MDC; do not keep ids in fields of beans.

## References

- Cloud Logging, "Structured logging", special fields: <https://cloud.google.com/logging/docs/structured-logging>
- Cloud Trace, "Link log entries with traces": <https://cloud.google.com/trace/docs/trace-log-integration>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let known = Known::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.structured(findings) {
        let span = line.field(SPAN).and_then(|value| value.as_str()?.parse::<SpanId>().ok());
        let (Some(trace), Some(span)) = (line.trace(), span.filter(|span| span.is_valid())) else { continue };
        if !known.traces.contains(&(line.service(), trace.id)) {
            continue;
        }
        if known.incomplete.contains(&(line.service(), trace.id)) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        if index.find(trace.id, span).is_none() && !known.sent.contains(&span) {
            mistakes.add((), line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, ()| format!("{service} wrote {lines} naming a span that never came."),
        |report, ()| {
            report.expected("the id of a span of the trace");
        },
    );
}

/// What is known of traces and spans.
struct Known<'i> {
    /// Traces of which a service exported spans.
    traces: HashSet<(&'i str, TraceId)>,
    /// Those of which a span of the service is known to be missing: the line may name that one.
    incomplete: HashSet<(&'i str, TraceId)>,
    /// Spans that a header named, whether they came or not.
    sent: HashSet<SpanId>,
}

impl<'i> Known<'i> {
    fn of(index: &'i Index<'i>) -> Known<'i> {
        let own = index.nodes().filter_map(|node| Some((node.service()?, node.trace_id)));
        let contexts = |hop: Hop<'_>| [hop.tap().context(), hop.tap().announced].into_iter().flatten();
        let missing = index.hops().filter(|hop| hop.is_answered_by_service() && !hop.is_untraced());
        let missing = missing.filter(|hop| hop.server().or(hop.unlinked()).is_none());
        let missing = missing.flat_map(|hop| contexts(hop).map(move |context| (hop.to(), context.trace_id)));
        Known {
            traces: own.collect(),
            incomplete: missing.collect(),
            sent: index.hops().flat_map(contexts).map(|context| context.span_id).collect(),
        }
    }
}
