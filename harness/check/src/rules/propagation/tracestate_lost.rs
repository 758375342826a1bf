//! A service did not forward the `tracestate` that came with a valid `traceparent`.

use spanwise_model::{ContextFormat, Evidence, Level};

use crate::headers::report_lost_entries;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "tracestate-lost",
    family: Family::Propagation,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

A service with W3C propagation that receives a valid `traceparent` and a `tracestate` of at most 512 characters forwards
every member of it with the calls it makes in that trace.

## Why it matters

Vendors keep their sampling decision and their own position there. Whoever drops it breaks the tracing of somebody else.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 tracestate: "vendor=1"
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 tracestate: "vendor=1"
  api-service -> backend-service h2c traceparent: T1-S3-01 tracestate: "vendor=1"
```

## How to fix

- Rust: use `TraceContextPropagator`; build `SpanContext` with the trace state of the parent.
- Python: use `TraceContextTextMapPropagator`; do not write `traceparent` by hand.
- Go: use `propagation.TraceContext{}`; a custom sampler returns the parent's `TraceState`.
- Node: a custom sampler returns the parent's `traceState` in its result.
- Java: a custom sampler returns the parent's trace state from `getUpdatedTraceState`.

## References

- W3C Trace Context, section 3.3: <https://www.w3.org/TR/trace-context/#tracestate-header>
"#,
    check: Check::One(check),
};

/// Beyond this many characters a service may drop members (W3C Trace Context, section 3.3.1.5).
const LONGEST: usize = 512;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops() {
        let Some(inbound) = hop.inbound() else { continue };
        let w3c = ContextFormat::Tracecontext;
        let (Some(came), Some(went)) = (inbound.tap().context_in(w3c), hop.tap().context_in(w3c)) else {
            continue;
        };
        // A caller that does not read W3C headers did not receive it, though it may send some.
        if came.trace_id != went.trace_id || !inbound.callee_reads(w3c) {
            continue;
        }
        let received = inbound.tap().request_values("tracestate").map(|value| value.len() + 1);
        if (1..=LONGEST + 1).contains(&received.sum::<usize>()) {
            findings.looked();
            report_lost_entries(findings, inbound, hop, "tracestate", "a tracestate");
        }
    }
}
