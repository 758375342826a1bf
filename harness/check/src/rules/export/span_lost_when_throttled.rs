//! Spans of a request were lost because its instance got no processor after the answer.

use spanwise_model::{Evidence, Level, ProcessEventKind};

use super::report_lost;
use crate::lost::{events, lost, processes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-lost-when-throttled",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire, Evidence::Exports, Evidence::Process],
    explains: &[
        "span-lost-on-shutdown",
        "nothing-received",
        "parent-not-exported",
        "entry-without-server-span",
        "hop-without-server-span",
        "hop-without-client-span",
        "expected-span-missing",
    ],
    explanation: r#"
## What it checks

Where the platform takes the processor away after an answer, the spans of that request come nevertheless: before the answer, or
when the instance runs again or ends. A loss is told from a span that was never made as in `span-lost-on-shutdown`.

## Why it matters

Cloud Run gives an instance a processor only while it serves, unless that is switched off. A batch that waits for five seconds
in the background waits until the next request, and is lost if there is none.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
driver CLIENT "POST /greet" 200 trace=T2 id=S5
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2 parent=?P1
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T2-S5-01
  api-service -> backend-service h2c traceparent: T2-P1-01
export:
  api-service otlp-grpc
  backend-service otlp-grpc
process:
  api-service spawned
  api-service ready
  api-service frozen
  api-service thawed
  api-service terminated
  api-service exited 0
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
export:
  api-service otlp-grpc
  backend-service otlp-grpc
process:
  api-service spawned
  api-service ready
  api-service frozen
  api-service thawed
  api-service terminated
  api-service exited 0
```

## How to fix

- Rust: call `force_flush()` behind each request, or deploy with `--no-cpu-throttling`.
- Python: call `provider.force_flush()` in a middleware, or deploy with `--no-cpu-throttling`.
- Go: call `tp.ForceFlush(ctx)` before the handler returns, or deploy with `--no-cpu-throttling`.
- Node: await `provider.forceFlush()` before the answer ends, or deploy with `--no-cpu-throttling`.
- Java: call `SdkTracerProvider.forceFlush()` in a filter, or deploy with `--no-cpu-throttling`.

## References

- Cloud Run, "Billing settings": <https://cloud.google.com/run/docs/configuring/billing-settings>
- OpenTelemetry, Tracing SDK, "Batching processor" and "Shutdown": <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for source in processes(index) {
        let events = events(index, source);
        let frozen = events.iter().rev().find(|event| event.kind == ProcessEventKind::Frozen);
        let Some(frozen) = frozen.map(|event| event.time) else { continue };
        let is_end = |kind: &ProcessEventKind| {
            matches!(kind, ProcessEventKind::Exited { .. } | ProcessEventKind::Killed)
        };
        if !events.iter().any(|event| event.time > frozen && is_end(&event.kind)) {
            // As long as it lives, they may still come.
            findings.not_observed();
            continue;
        }
        findings.looked();
        let mut lost = lost(index, source);
        let is_thawed =
            events.iter().any(|event| event.time > frozen && event.kind == ProcessEventKind::Thawed);
        lost.retain(|hop| {
            let stamps = &hop.tap().stamps;
            // What was under way, as after a request that the front end cut off, could only end with a processor.
            let until = if is_thawed { stamps.ended } else { stamps.begun };
            until < frozen
        });
        let expected = "every span, although the processor is taken away";
        report_lost(findings, source, lost, "when it got no processor after its answer", expected);
    }
}
