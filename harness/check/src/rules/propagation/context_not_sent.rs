//! An outgoing call of a traced request carries no trace context.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "context-not-sent",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &["trace-split", "stray-span"],
    explanation: r#"
## What it checks

While a service works on a traced request, every call it makes to another service carries trace context: `traceparent`,
`X-Cloud-Trace-Context`, or another known format. Calls that the suite declares untraced are left out.

## Why it matters

Without the header the called service cannot know the trace: it starts one of its own, and the request is split in two
that nothing connects. A common cause is an instrumentation that covers only one way to open a channel.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c
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

- Rust: inject with a tonic interceptor or tower layer on every channel, the TLS one too.
- Python: call `GrpcInstrumentorClient().instrument()` before any channel is made; it covers secure and insecure ones.
- Go: pass `grpc.WithStatsHandler(otelgrpc.NewClientHandler())` to every `grpc.NewClient`; wrap HTTP transports with `otelhttp`.
- Node: load the instrumentation before the first `require("@grpc/grpc-js")`.
- Java: use the agent, or `GrpcTelemetry.newClientInterceptor()` on each channel.

## References

- OpenTelemetry, Propagators API, section "Inject": <https://opentelemetry.io/docs/specs/otel/context/api-propagators/>
- W3C Trace Context, section 3: <https://www.w3.org/TR/trace-context/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| hop.is_traced() && !hop.is_untraced()) {
        findings.looked();
        if !hop.context_headers().is_empty() || !hop.other_context_headers().is_empty() {
            continue;
        }
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let channel = if hop.tap().tls { "secure" } else { "insecure" };
        let message = format!(
            "{from} called {to} over the {channel} channel without any trace context in the headers."
        );
        let report = findings
            .on_hop(hop, message)
            .expected("traceparent or x-cloud-trace-context on the call")
            .actual("neither");
        if let Some(inbound) = hop.inbound().and_then(|inbound| inbound.server()) {
            report.show_span(inbound);
        }
    }
}
