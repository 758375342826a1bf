//! A service with a baggage propagator did not forward the baggage it received.

use spanwise_model::{Evidence, Level};

use crate::headers::report_lost_entries;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "baggage-lost",
    family: Family::Propagation,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

A service that the suite declares to propagate baggage forwards every entry that it received with the calls it makes for
that request.

## Why it matters

Baggage carries what later services put on their spans: a user, a tenant, an experiment. Behind the service that drops it
no query by that label finds anything.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 baggage: "user.id=ada"
  api-service -> backend-service h2c traceparent: T1-S3-01
settings:
  service api-service http propagation=tracecontext baggage
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 baggage: "user.id=ada"
  api-service -> backend-service h2c traceparent: T1-S3-01 baggage: "user.id=ada"
settings:
  service api-service http propagation=tracecontext baggage
```

## How to fix

- Rust: add `BaggagePropagator` to the `TextMapCompositePropagator`, and make the call within the extracted context.
- Python: keep `baggage` in `OTEL_PROPAGATORS`.
- Go: add `propagation.Baggage{}` to `NewCompositeTextMapPropagator`.
- Node: add `W3CBaggagePropagator` to `CompositePropagator`.
- Java: keep `baggage` in `otel.propagators`.

## References

- W3C Baggage: <https://www.w3.org/TR/baggage/>
- OpenTelemetry, Baggage API, section Propagation: <https://opentelemetry.io/docs/specs/otel/baggage/api/#propagation>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| hop.caller().is_some_and(|caller| caller.baggage)) {
        let Some(inbound) = hop.inbound().filter(|_| !hop.is_untraced()) else { continue };
        if inbound.tap().request_header("baggage").is_some() {
            findings.looked();
            report_lost_entries(findings, inbound, hop, "baggage", "baggage");
        }
    }
}
