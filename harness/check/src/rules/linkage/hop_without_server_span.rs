//! A service answered a call and has no SERVER span for it.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "hop-without-server-span",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["expected-span-missing"],
    explanation: r#"
## What it checks

A service that receives a sampled context and answers has a SERVER span for that call. Calls that the suite declares
untraced (health checks, reflection), and calls that never reached the service, are left out.

## Why it matters

The called service took part in the request and the trace does not show it: whatever went wrong there is invisible.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
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

- Rust: add the tracing layer to the server (`Server::builder().layer(…)`), and flush the provider before the process exits.
- Python: call `GrpcInstrumentorServer().instrument()` before the server is made.
- Go: pass `grpc.StatsHandler(otelgrpc.NewServerHandler())`, and end spans on panics too.
- Node: load the instrumentation before the server library, and flush on SIGTERM.
- Java: use the agent, or `GrpcTelemetry.newServerInterceptor()`.

## References

- OpenTelemetry, trace API, section SpanKind: <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
- OpenTelemetry, semantic conventions for RPC server spans: <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    // Where nothing came from anybody, that is the finding.
    if !index.has_any_span() {
        return;
    }
    for hop in index.hops().filter(|hop| !hop.is_untraced() && hop.is_answered_by_service()) {
        let sampled = hop.context().is_some_and(|context| context.sampled == Some(true));
        let has_spans = hop.request().is_some_and(|request| index.has_spans(request, None));
        let is_entry_of_known_trace = hop.is_from_driver() && has_spans;
        if !sampled || is_entry_of_known_trace {
            continue;
        }
        if !index.sets_kinds(hop.to()) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        if hop.server().or(hop.unlinked()).is_none() {
            let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
            findings
                .on_hop(hop, format!("{to} answered a call from {from}, but has no SERVER span for it."))
                .service(to)
                .expected(format!("a SERVER span of {to}"))
                .actual("none");
        }
    }
}
