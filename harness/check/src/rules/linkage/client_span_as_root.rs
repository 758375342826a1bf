//! A call made while a request was served has a CLIENT span without a parent.

use spanwise_model::{Evidence, Level, SpanKind};

use crate::{Check, Family, Findings, Hop, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "client-span-as-root",
    family: Family::Linkage,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

A CLIENT span whose call reached a service under test, made while its own process served a request, has a parent. Where
it is certain which request it belongs to, `trace-split` says so.

## Why it matters

A call that begins a trace of its own was most likely made for a request, and lost its context on the way: in a thread, a
task or a callback. Nobody who looks at the request finds the call.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
driver CLIENT "POST /greet" 200 trace=T2 id=S3 during=S2
  api-service SERVER "POST /greet" 200 id=S4
api-service CLIENT "backend_service.v1.BackendService/Greet" OK trace=T3 id=S5 during=S4
  backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  driver -> api-service http/1.1 traceparent: T2-S3-01
  api-service -> backend-service h2c traceparent: T3-S5-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S5
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S5-01
```

## How to fix

- Rust: instrument the future that makes the call; a spawned task starts without a context.
- Python: run work with `contextvars.copy_context()` in threads and executors.
- Go: pass the request's `ctx` to the call.
- Node: keep callbacks inside `context.with(…)`.
- Java: wrap executors with `Context.taskWrapping(…)`.

## References

- OpenTelemetry, Context: <https://opentelemetry.io/docs/specs/otel/context/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for client in index.nodes().filter(|node| node.kind == SpanKind::Client) {
        let Some(hop) = client.sent().find(|hop| !hop.is_untraced()) else { continue };
        findings.looked();
        let no_parent = client.parent_span_id.is_none_or(|id| !id.is_valid());
        if !no_parent || !was_serving(index, hop) {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        findings
            .on_span(client, format!("{from} called {to} in a trace of its own, while it served a request."))
            .hop(hop)
            .expected("a parent: the SERVER span of the request")
            .actual("none");
    }
}

/// Whether the caller was serving a sampled request when it made a call.
fn was_serving(index: &Index<'_>, call: Hop<'_>) -> bool {
    let sampled = |hop: Hop<'_>| hop.context().is_none_or(|context| context.sampled == Some(true));
    if let Some(inbound) = call.inbound() {
        return sampled(inbound);
    }
    let at = call.tap().stamps.begun;
    index.hops().any(|hop| {
        let stamps = hop.tap().stamps;
        let open = stamps.begun <= at && (stamps.ended == 0 || at <= stamps.ended);
        open && sampled(hop) && call.tap().from.as_ref() == Some(&hop.tap().to)
    })
}
