//! Two context headers came and differ, and the service followed the wrong one.

use spanwise_model::{ContextFormat, Evidence, Level, TraceContext};

use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "context-from-wrong-header",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[
        "remote-context-ignored",
        "context-misread",
        "wrong-remote-parent",
        "parent-not-exported",
        "trace-split",
        "several-roots",
        "hop-without-server-span",
        "entry-without-server-span",
        "stray-span",
    ],
    explanation: r#"
## What it checks

Where a request carries both `traceparent` and `X-Cloud-Trace-Context`, they differ, and the service is configured for
both: a valid `traceparent` is followed, and a malformed one does not keep the service from following a valid
`X-Cloud-Trace-Context`. Behind a front end of the platform the headers are those that it wrote or let through.

## Why it matters

Load balancers and older clients add the Google header to requests that already have a `traceparent`. If the wrong one
wins, or a broken one wipes the good one, the trace of the caller ends there. With two propagators in a list the order
decides, and the obvious order is the wrong one.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
api-service SERVER "POST /greet" 200 trace=T2 parent=?P1
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 x-cloud-trace-context: T2/P1;o=1
settings:
  service api-service http propagation=gcp_trace,tracecontext
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 x-cloud-trace-context: T2/P1;o=1
settings:
  service api-service http propagation=gcp_trace,tracecontext
```

## How to fix

- Rust: put the `traceparent` propagator last in `TextMapCompositePropagator`, or extract it first and return if it is valid.
- Python: list `gcp_trace` before `tracecontext` in `OTEL_PROPAGATORS`; the last extractor wins.
- Go: `propagation.NewCompositeTextMapPropagator(gcp.CloudTraceOneWayPropagator{}, propagation.TraceContext{})`.
- Node: put `W3CTraceContextPropagator` last in `CompositePropagator`.
- Java: any order is right with the `gcp` propagator; check hand-written ones.

## References

- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
- OpenTelemetry, Propagators API, section "Composite Propagator":
  <https://opentelemetry.io/docs/specs/otel/context/api-propagators/#composite-propagator>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops().filter(|hop| reads_both(*hop) && !hop.is_untraced()) {
        let headers = hop.arrived_headers();
        let [traceparent, google] = headers.as_slice() else { continue };
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        let (right, wrong) = match (traceparent.read, google.read) {
            (Ok(right), Ok(wrong)) if ids(right) != ids(wrong) => (right, Some(wrong)),
            (Err(_), Ok(right)) if right.sampled == Some(true) => (right, None),
            _ => continue,
        };
        findings.looked();
        let is_rewritten = hop.tap().announced.is_some();
        let message = match wrong {
            // What the front end announced stands for its caller, so that the span is linked all the same.
            Some(wrong) if (hop.server().is_none() || is_rewritten) && follows(server, wrong) => {
                "followed x-cloud-trace-context although a valid traceparent came with it"
            }
            None if server.trace_id != right.trace_id => {
                "let a malformed traceparent wipe the valid x-cloud-trace-context that came with it"
            }
            _ => continue,
        };
        findings
            .on_span(server, format!("{} {message}.", hop.to()))
            .hop(hop)
            .expected(format!("trace {}, parent {}", right.trace_id, right.span_id))
            .actual(match server.parent_span_id {
                Some(parent) => format!("trace {}, parent {parent}", server.trace_id),
                None => format!("trace {}, no parent", server.trace_id),
            })
            .fact(
                "header",
                if wrong.is_some() { google.format.header() } else { traceparent.format.header() },
            );
    }
}

/// Judged only where the suite says that the service is configured for both.
fn reads_both(hop: Hop<'_>) -> bool {
    hop.callee().is_some_and(|facts| ContextFormat::ALL.iter().all(|f| facts.propagation.contains(f)))
}

fn ids(context: TraceContext) -> (spanwise_model::TraceId, spanwise_model::SpanId) {
    (context.trace_id, context.span_id)
}

fn follows(server: Node<'_>, context: TraceContext) -> bool {
    server.trace_id == context.trace_id && server.parent_span_id == Some(context.span_id)
}
