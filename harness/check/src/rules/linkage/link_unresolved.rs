//! A span link names a span that never arrived.

use std::cell::LazyCell;

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, TraceId};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "link-unresolved",
    family: Family::Linkage,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The span that a span link names arrived. In a capture that has nothing of the linked trace, that is not observed.

## Why it matters

A link is often the only way from a batch job or a message to the request that caused it. One that leads nowhere is as
good as none.

## Bad

```trace
worker CONSUMER "orders process"
  | link T2/P1
shop PRODUCER "orders send" trace=T2
```

## Good

```trace
worker CONSUMER "orders process"
  | link T2/S2
shop PRODUCER "orders send" trace=T2 id=S2
```

## How to fix

- Rust: link to the context that was extracted from the message, and only if it is valid and sampled.
- Python: `trace.get_current_span(extract(headers)).get_span_context()`, and test `is_valid`.
- Go: `trace.LinkFromContext(ctx)`, and test `SpanContext.IsValid()`.
- Node: link to `trace.getSpanContext(extracted)`, if there is one.
- Java: `SpanBuilder.addLink` ignores invalid contexts; check that the linked span is sampled.

## References

- OpenTelemetry, overview, section "Links between spans":
  <https://opentelemetry.io/docs/specs/otel/overview/#links-between-spans>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let traces = LazyCell::new(|| -> HashSet<TraceId> {
        index.nodes_with_driver().map(|node| node.trace_id).collect()
    });
    for node in index.nodes() {
        for link in &node.links {
            // An id that is none is a finding of `invalid-id`.
            if !link.trace_id.is_valid() || !link.span_id.is_valid() {
                continue;
            }
            // A capture holds some traces, and the linked one may be another.
            if index.is_capture() && !traces.contains(&link.trace_id) {
                findings.not_observed();
                continue;
            }
            findings.looked();
            if index.find(link.trace_id, link.span_id).is_none() {
                findings
                    .on_span(
                        node,
                        format!("This span links to the span {}, which never arrived.", link.span_id),
                    )
                    .expected(format!("span {} of trace {}", link.span_id, link.trace_id))
                    .actual("none")
                    .fact("linked_trace", link.trace_id.to_string())
                    .fact("linked_span", link.span_id.to_string());
            }
        }
    }
}
