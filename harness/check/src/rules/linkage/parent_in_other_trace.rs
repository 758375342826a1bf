//! A span's parent exists, under another trace id.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "parent-in-other-trace",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["remote-context-ignored", "trace-split", "context-misread", "several-roots"],
    explanation: r#"
## What it checks

A span is in the same trace as the parent that it names.

## Why it matters

The link is there and no backend follows it: parents are looked up within the trace. The span becomes an orphan in a
trace of its own. It happens when code takes the span id from a header and makes up the trace id.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 parent=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## How to fix

- Rust: pass the whole `SpanContext` on, made by `SpanContext::new` from one header.
- Python: return the context that `extract` gives; do not take it apart.
- Go: use `trace.ContextWithRemoteSpanContext` with both ids of the header.
- Node: use `trace.setSpanContext(context, { traceId, spanId, … })` with both ids of the header.
- Java: use `SpanContext.createFromRemoteParent` with both ids of the header.

## References

- OpenTelemetry, trace API, section SpanContext: <https://opentelemetry.io/docs/specs/otel/trace/api/#spancontext>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(parent) = node.due_parent().filter(|parent| parent.is_valid()) else { continue };
        findings.looked();
        if !node.misses_parent() {
            continue;
        }
        let Some(other) = index.find_in_any_trace(parent) else { continue };
        let report = findings
            .on_span(node, format!("The parent {parent} of this span exists, but in another trace."))
            .expected(format!("trace {}", other.trace_id))
            .actual(format!("trace {}", node.trace_id))
            .fact("parent_id", parent.to_string())
            .fact("parent_trace", other.trace_id.to_string());
        if let Some(hop) = node.came_by() {
            report.hop(hop);
        }
    }
}
