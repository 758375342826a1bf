//! A log line of a request does not name its trace.

use spanwise_model::{Evidence, Level};

use crate::log_lines::{LogLines, Mistakes, TRACE};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-without-trace",
    family: Family::Logs,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs, Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

Every structured line that a service writes while it serves a traced request has the field `logging.googleapis.com/trace`. A
line belongs to a request if the request's marker or its trace is in it, or if the service was serving nothing else at that
moment. One finding for each service.

## Why it matters

A trace shows where a request went wrong, its log lines say why. Without the field the lines cannot be found from the trace,
nor the trace from a line, and under load nobody can tell which line belongs to which request.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted"}
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

- Rust: take the ids from `Span::current().context()` in the formatting layer of `tracing-subscriber`, for every event.
- Python: add a `logging.Filter` that reads `trace.get_current_span().get_span_context()`, or use `LoggingInstrumentor`.
- Go: wrap the `slog.Handler`: read `trace.SpanContextFromContext(ctx)`, and log with `InfoContext(ctx, …)`.
- Node: give pino a `mixin`, or winston a format, that reads `trace.getActiveSpan()?.spanContext()`.
- Java: use the agent's MDC instrumentation, and write `trace_id` into this field in the layout.

## References

- Cloud Logging, "Structured logging", special fields: <https://cloud.google.com/logging/docs/structured-logging>
- Cloud Trace, "Link log entries with traces": <https://cloud.google.com/trace/docs/trace-log-integration>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.structured(findings) {
        // Whenever it was read, such a line says itself whose it is.
        let is_of = |id| index.requests().any(|(_, request)| request.trace_id == id);
        if line.trace().is_some_and(|named| is_of(named.id)) {
            findings.looked();
            continue;
        }
        let Some(hop) = lines.exchange(line) else { continue };
        // Without a context and without a span of it, there is no trace that the line could name.
        let traced = |request| index.has_spans(request, Some(line.service()));
        let has_trace = hop.context().is_some() || hop.request().is_some_and(traced);
        if hop.is_untraced() || !has_trace {
            continue;
        }
        findings.looked();
        if line.field(TRACE).is_none() {
            mistakes.add((), line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, ()| format!("{service} wrote {lines} while it served a request, without its trace."),
        |report, ()| {
            report.expected(format!("the field {TRACE}"));
        },
    );
}
