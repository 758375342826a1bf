//! The caller sends trace context only in a format that the called service does not read.

use spanwise_model::{Evidence, FrontEndContext, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "unsupported-context-format",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &["trace-split", "stray-span"],
    explanation: r#"
## What it checks

Of the context formats that a caller sends (`traceparent`, `X-Cloud-Trace-Context`, `grpc-trace-bin`, B3), the called
service is configured to read at least one. A front end of the platform that knows both headers writes the missing one.

## Why it matters

Both services are instrumented and both are right by themselves, yet the trace breaks between them: they speak different
formats. It happens when one service is moved to W3C headers and the other still reads Google's.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c x-cloud-trace-context: T1/S3;o=1
settings:
  service backend-service grpc propagation=tracecontext
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
settings:
  service backend-service grpc propagation=tracecontext
```

## How to fix

- Rust: install a `TextMapCompositePropagator` with both formats on both sides.
- Python: set `OTEL_PROPAGATORS=gcp_trace,tracecontext,baggage` for both services.
- Go: list both propagators in `propagation.NewCompositeTextMapPropagator`.
- Node: list both in `CompositePropagator`.
- Java: set `otel.propagators=gcp,tracecontext,baggage`.

## References

- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
- OpenTelemetry, environment variable `OTEL_PROPAGATORS`:
  <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| hop.is_traced() && !hop.is_untraced()) {
        let Some(callee) = hop.callee().filter(|callee| !callee.propagation.is_empty()) else { continue };
        let headers = hop.context_headers();
        let mut sent: Vec<&str> = headers.iter().map(|header| header.format.header()).collect();
        sent.extend(hop.other_context_headers());
        if sent.is_empty() {
            continue;
        }
        findings.looked();
        // A front end that knows both formats writes the other one too.
        let is_translated = hop.tap().announced.is_some() && hop.front_end().context == FrontEndContext::Both;
        if is_translated || headers.iter().any(|header| hop.callee_reads(header.format)) {
            continue;
        }
        let reads: Vec<&str> = callee.propagation.iter().map(|format| format.header()).collect();
        let (from, to) = (hop.from().unwrap_or("an unknown caller"), hop.to());
        let (sent, reads) = (sent.join(" and "), reads.join(" and "));
        findings
            .on_hop(hop, format!("{from} sends trace context as {sent} alone, and {to} reads only {reads}."))
            .expected(&reads)
            .actual(&sent)
            .fact("header", sent)
            .fact("read", reads);
    }
}
