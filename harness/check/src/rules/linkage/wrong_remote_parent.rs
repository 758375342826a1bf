//! A SERVER span hangs below another span than the one that made the call.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "wrong-remote-parent",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["expected-span-missing", "server-span-doubled", "front-end-span-orphaned"],
    explanation: r#"
## What it checks

The SERVER span of a call is a child of the span whose id was in the headers of that very call, or lies below it.

## Why it matters

The trace looks whole and is wrong: a slow or failed call is shown below another one. It happens when a server keeps the
context of an earlier request, on a connection or in a global variable.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S4
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
  api-service -> backend-service h2c traceparent: T1-S4-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S4
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
  api-service -> backend-service h2c traceparent: T1-S4-01
```

## How to fix

- Rust: extract from each request's headers; attach the context to the request's future, not to the connection's task.
- Python: extract in the handler or interceptor, and detach the token when the request ends.
- Go: derive the context from the request's own `ctx`, never from one kept in a struct.
- Node: run each request inside `context.with(…)`.
- Java: close every `Scope` in a `finally` block.

## References

- W3C Trace Context, section 4.3: <https://www.w3.org/TR/trace-context/#a-traceparent-is-received>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops().filter(|hop| !hop.is_untraced()) {
        let Some(context) = hop.context() else { continue };
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        findings.looked();
        // A parent that never arrived, or none, is another rule's question.
        let Some(parent) = server.parent().filter(|_| hop.server().is_none()) else { continue };
        if server.trace_id != context.trace_id {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let message =
            format!("This span of {to} hangs below another span than the one of {from} that made the call.");
        findings
            .on_span(server, message)
            .hop(hop)
            .expected(format!("parent {}", context.span_id))
            .actual(format!("parent {} (\"{}\" of {})", parent.span_id, parent.name, parent.shown_service()));
    }
}
