//! The span whose id was sent in a call's headers is no CLIENT or PRODUCER span, and not below one.

use spanwise_model::{Evidence, Level, SpanKind};

use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "hop-without-client-span",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["expected-span-missing"],
    explanation: r#"
## What it checks

Every call to another service has a CLIENT (or PRODUCER) span: the span whose id is in the headers is one, or lies below
one in the same process, as attempts of a native client do.

## Why it matters

Without it the time on the network, in queues and in retries belongs to nobody: the called service looks fast, the
caller looks slow, and a call that never got through leaves no trace at all.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
    backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S2-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S2-01
```

## How to fix

- Rust: make a span of kind `Client` around the call and inject from inside of it.
- Python: use the client instrumentation (`RequestsInstrumentor`, `GrpcInstrumentorClient`) in place of a manual `inject`.
- Go: use `otelhttp.NewTransport` or `otelgrpc.NewClientHandler`.
- Node: use the instrumentation of the client library.
- Java: use the agent, or the library's client interceptor.

## References

- OpenTelemetry, trace API, section SpanKind: <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| !hop.is_untraced()) {
        let Some(sender) = hop.sender().filter(|sender| sender.is_judged()) else { continue };
        if sender.service().is_some_and(|service| !index.sets_kinds(service)) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        if calls(sender) {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        findings
            .on_hop(hop, format!("{from} called {to} without a CLIENT span for the call."))
            .expected("a CLIENT span")
            .actual(format!("{} span \"{}\"", sender.kind.as_str(), sender.name))
            .fact("sender_kind", sender.kind.as_str());
    }
}

/// Whether a span makes calls, or belongs to one of its process that does.
pub(super) fn calls(sender: Node<'_>) -> bool {
    let makes_calls = |node: &Node<'_>| matches!(node.kind, SpanKind::Client | SpanKind::Producer);
    let serves = |node: &Node<'_>| matches!(node.kind, SpanKind::Server | SpanKind::Consumer);
    let own = std::iter::once(sender).chain(sender.ancestors());
    let mut own = own.take_while(|node| !serves(node) && node.same_process(sender) != Some(false));
    own.any(|node| makes_calls(&node))
}
