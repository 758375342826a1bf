//! A request was answered, other spans came, and the service it went to has no SERVER span.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "entry-without-server-span",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["hop-without-client-span", "several-roots"],
    explanation: r#"
## What it checks

The service that a sampled request went to, and that answered it, has a SERVER span for it. Requests of which no span
came at all are left to other rules.

## Why it matters

Without it nobody can see that the request happened, how long it took and how it ended: the trace begins in the middle.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
    backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01
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

- Rust: put the tracing layer around the whole router, so that it sees every request.
- Python: instrument the app, not only the client libraries: `FastAPIInstrumentor.instrument_app(app)`.
- Go: wrap the outermost handler with `otelhttp.NewHandler`, or the server with `otelgrpc.NewServerHandler`.
- Node: load the HTTP instrumentation before the framework.
- Java: use the agent, or the framework's telemetry filter.

## References

- OpenTelemetry, semantic conventions for HTTP server spans:
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span>
- OpenTelemetry, semantic conventions for RPC server spans: <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops().filter(|hop| hop.is_from_driver() && !hop.is_untraced()) {
        let sampled = hop.context().is_some_and(|context| context.sampled == Some(true));
        let has_spans = hop.request().is_some_and(|request| index.has_spans(request, None));
        if !sampled || !has_spans || !hop.is_answered_by_service() {
            continue;
        }
        if !index.sets_kinds(hop.to()) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        if hop.server().or(hop.unlinked()).is_none() {
            let to = hop.to();
            findings
                .on_hop(hop, format!("{to} answered the request, but has no SERVER span for it."))
                .expected(format!("a SERVER span of {to}"))
                .actual("none, though other spans of the request came");
        }
    }
}
