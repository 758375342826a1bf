//! A service exports a span under the id of the front end's.

use foldhash::HashMap;
use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Hop, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "platform-span-as-own",
    family: Family::Platform,
    level: Level::Information,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

No span of a service has the id that the platform's front end announced for its own span. Where nothing was announced the rule
does not apply.

## Why it matters

Two spans with one id cannot be told apart: Cloud Trace shows one of them, or mixes both, and the time that a request spent in
the front end looks like time in the service. Libraries that take the received span id for their own do this.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01 announced=T1/S2;o=1
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

- Rust: start a span of your own below the extracted context; do not copy its `span_id`.
- Python: use the context of `extract(headers)` as the parent, not as the span's own.
- Go: use `trace.ContextWithRemoteSpanContext`, then `tracer.Start`.
- Node: pass the extracted context to `tracer.startSpan(name, {}, context)`.
- Java: switch off "supportsJoin" of Brave.

## References

- Cloud Run, "Using distributed tracing": <https://cloud.google.com/run/docs/trace>
- OpenTelemetry, trace API, section SpanContext: <https://opentelemetry.io/docs/specs/otel/trace/api/#spancontext>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut announced: HashMap<_, Hop<'_>> = HashMap::default();
    for hop in index.hops() {
        let Some(context) = hop.tap().announced else { continue };
        findings.looked();
        announced.entry((context.trace_id, context.span_id)).or_insert(hop);
    }
    for node in index.nodes() {
        if let Some(hop) = announced.get(&(node.trace_id, node.span_id)) {
            let shown = node.shown_service();
            findings
                .on_span(node, format!("{shown} exported this span under the id of the front end's own."))
                .hop(*hop)
                .expected("an id of its own")
                .actual(node.span_id);
        }
    }
}
