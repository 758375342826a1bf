//! The endpoint refused spans, or Google's would have.

use std::cell::LazyCell;

use spanwise_model::{Evidence, Export, ExportAnswer, Level, Refusal};

use super::{Carried, reach_calls_of};
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "export-refused",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &[
        "nothing-received",
        "parent-not-exported",
        "entry-without-server-span",
        "hop-without-server-span",
    ],
    explanation: r#"
## What it checks

Every export request was accepted, and would have been by Google's endpoint where it is emulated: the mock keeps the spans and
notes the refusal, so that they can still be looked at. A refused request whose spans all came later lost nothing. One finding for
each service and reason.

## Why it matters

A refused request loses all of its spans, and the only sign of it is a line in the service's own log. What works against a
local collector may be refused by the real endpoint from the first request on.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
export:
  api-service otlp-grpc would-be-refused INVALID_ARGUMENT "resource attribute gcp.project_id is missing"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
export:
  api-service otlp-grpc
```

## How to fix

- Rust: read the message; set `OTEL_RESOURCE_ATTRIBUTES=gcp.project_id=…`, and print errors of the exporter with a `tracing` layer.
- Python: set `OTEL_RESOURCE_ATTRIBUTES=gcp.project_id=…`; the logger `opentelemetry.sdk` tells of refusals.
- Go: add `attribute.String("gcp.project_id", project)` to the resource; see refusals with `otel.SetErrorHandler`.
- Node: set `OTEL_RESOURCE_ATTRIBUTES`; see refusals with `diag.setLogger(new DiagConsoleLogger())`.
- Java: set `otel.resource.attributes=gcp.project_id=…`; the logger `io.opentelemetry.exporter` tells of refusals.

## References

- OTLP, section "Failures": <https://opentelemetry.io/docs/specs/otlp/#failures>
- Cloud Trace, "Migrate to the OTLP endpoint": <https://cloud.google.com/trace/docs/migrate-to-otlp-endpoints>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    type Key<'k> = (Option<&'k str>, bool, &'k str, &'k str);
    let carried = LazyCell::new(|| Carried::of(index));
    let mut refused: Ordered<Key<'_>, (i64, i64)> = Ordered::default();
    for export in &index.observation.exports {
        findings.looked();
        let service = export.source.as_ref().map(|source| &*source.service);
        let refusal = match (&export.answer, &export.would_be_refused) {
            (ExportAnswer::Refused(_), _) if all_came(&carried, export) => None,
            (ExportAnswer::Refused(refusal), _) => Some((true, refusal)),
            (ExportAnswer::Accepted, Some(refusal)) => Some((false, refusal)),
            (ExportAnswer::Accepted, None) => None,
        };
        if let Some((really, Refusal { code, message })) = refusal {
            let (requests, spans) = refused.entry((service, really, code, message)).or_default();
            *requests += 1;
            *spans += i64::from(export.spans);
        }
    }
    for ((service, really, code, message), (requests, spans)) in refused {
        let who = if really { "The endpoint refused" } else { "Google's endpoint would have refused" };
        let what = super::spans(usize::try_from(spans).unwrap_or_default());
        let why = if message.is_empty() { String::new() } else { format!(": {message}") };
        let text = format!("{who} {what} with {code}{why}.");
        let report = match service {
            Some(service) => findings.on_service(service, text),
            None => findings.on_whole(text),
        };
        let report = report
            .expected("accepted")
            .actual(code)
            .fact("code", code)
            .fact("message", message)
            .fact("requests", requests)
            .fact("spans", spans);
        if !really {
            // The mock kept them, so nothing is missing because of it.
            report.explains_nothing();
            continue;
        }
        reach_calls_of(index, service, report);
    }
}

/// Whether a refusal cost nothing, because every span that the request carried came later.
fn all_came(carried: &Carried, export: &Export) -> bool {
    !export.carries.is_empty() && export.carries.iter().all(|span| carried.has_come(span))
}
