//! A service passes over the span that the front end announced.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "front-end-span-orphaned",
    family: Family::Platform,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

Where the platform's front end writes a context of its own in place of the caller's, the SERVER span of the service hangs below
the span that it announces, or is below it by other spans. Where nothing was announced, or where a front end that knows
`X-Cloud-Trace-Context` alone let a `traceparent` through, the rule does not apply.

## Why it matters

The front end's span is in Cloud Trace, and request logs are grouped by it. A service that brings the caller's context past it,
as some do to get around missing parents, leaves that span without children and its request log without the trace's lines.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01 announced=T1/P1;o=1
settings:
  platform=cloud-run no-resource
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 announced=P1
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01 announced=T1/P1;o=1
settings:
  platform=cloud-run no-resource
```

## How to fix

- Rust: extract from `traceparent` and `x-cloud-trace-context` as they arrive, not from a header of your own.
- Python: remove propagators that read a copy of the context; set `OTEL_PROPAGATORS=tracecontext`.
- Go: do not restore a saved `traceparent` in a middleware before `otelhttp`.
- Node: do not overwrite the headers in front of the instrumentation.
- Java: leave `otel.propagators` at the standard ones.

## References

- Cloud Run, "Using distributed tracing": <https://cloud.google.com/run/docs/trace>
- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops().filter(|hop| !hop.is_untraced()) {
        let Some(announced) = hop.tap().announced else { continue };
        // One that knows the other header alone lets `traceparent` through, and that is to be followed.
        if hop.context().is_none_or(|context| context.span_id != announced.span_id) {
            continue;
        }
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        // Another trace altogether is another rule's question.
        if server.trace_id != announced.trace_id {
            continue;
        }
        findings.looked();
        let mut own = std::iter::once(server).chain(server.ancestors());
        if own.any(|node| [Some(node.span_id), node.parent_span_id].contains(&Some(announced.span_id))) {
            continue;
        }
        let to = hop.to();
        let parent = server.parent_span_id.map_or("no parent".to_owned(), |id| format!("parent {id}"));
        findings
            .on_span(
                server,
                format!("This span of {to} does not hang below the span that the front end announced."),
            )
            .hop(hop)
            .expected(format!("parent {}", announced.span_id))
            .actual(parent)
            .fact("announced", announced.span_id.to_string());
    }
}
