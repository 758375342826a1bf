//! A call carries the same context header twice.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "duplicate-context-header",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[
        "trace-split",
        "remote-context-ignored",
        "context-misread",
        "wrong-remote-parent",
        "parent-not-exported",
        "contexts-disagree",
        "stray-span",
    ],
    explanation: r#"
## What it checks

`traceparent`, `X-Cloud-Trace-Context` and `grpc-trace-bin` occur at most once in a call.

## Why it matters

A receiver that finds two may take the first, the last, or none of them, so the trace depends on its library. It happens
when two instrumentations inject, or when incoming headers are copied into a call that is instrumented too.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01 traceparent: T1-S2-01
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

- Rust: inject with `insert`, not with `append`, and in one layer only.
- Python: instrument a client once; a manual `inject` beside an instrumentation is one too many.
- Go: use `metadata.MD.Set`, not `metadata.AppendToOutgoingContext`.
- Node: use `metadata.set`, not `metadata.add`.
- Java: discard the key before putting it, or leave it to the agent.

## References

- W3C Trace Context, section 3.2 ("traceparent … exactly one"): <https://www.w3.org/TR/trace-context/#traceparent-header>
"#,
    check: Check::One(check),
};

const NAMES: [&str; 3] = ["traceparent", "x-cloud-trace-context", "grpc-trace-bin"];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops() {
        for name in NAMES {
            let values: Vec<&str> = hop.tap().request_values(name).collect();
            if !values.is_empty() {
                findings.looked();
            }
            if values.len() > 1 {
                let from = hop.from().unwrap_or("an unknown caller");
                findings
                    .on_hop(hop, format!("{from} sent the header {name} {} times in one call.", values.len()))
                    .expected("once")
                    .actual(values.join(" and "))
                    .fact("header", name)
                    .fact("times", values.len() as i64);
            }
        }
    }
}
