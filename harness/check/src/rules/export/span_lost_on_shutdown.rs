//! The last spans of a service were lost when its process ended.

use spanwise_model::{Evidence, Level, ProcessEventKind};

use super::report_lost;
use crate::lost::{events, lost, processes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-lost-on-shutdown",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire, Evidence::Exports, Evidence::Process],
    explains: &[
        "nothing-received",
        "parent-not-exported",
        "entry-without-server-span",
        "hop-without-server-span",
        "hop-without-client-span",
    ],
    explanation: r#"
## What it checks

Every span that a service had begun before SIGTERM came out before its process was gone. A loss is told from a span that was
never made by this: the service exports such spans, its id for the missing one was on the wire, nothing came that ended later,
and SIGTERM came within the time that a batch waits (5 seconds), or the service is declared `flushes-on-sigterm`.

## Why it matters

The standard batch processor sends every five seconds. Each instance that ends without a flush loses what it did last: with
autoscaling that is a part of all requests, and above all those around a deployment or a crash.

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
  api-service terminated
  api-service exited 0
```

## How to fix

- Rust: keep the `SdkTracerProvider`, and call `shutdown()` after the server has drained.
- Python: call `trace.get_tracer_provider().shutdown()` in the shutdown hook of the server; `atexit` does not run on SIGTERM.
- Go: call `tp.Shutdown(ctx)` after `server.Shutdown`, with a context that is not canceled yet.
- Node: `process.on('SIGTERM', () => sdk.shutdown().finally(() => process.exit(0)))`.
- Java: the agent flushes in a shutdown hook; give the JVM its grace period, and do not call `Runtime.halt`.

## References

- OpenTelemetry, Tracing SDK, "Batching processor" and "Shutdown": <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>
- Cloud Run, "Container runtime contract", lifecycle: <https://cloud.google.com/run/docs/container-contract>
"#,
    check: Check::One(check),
};

/// How long a batch waits for more spans if nothing is said of it (`OTEL_BSP_SCHEDULE_DELAY`), in nanoseconds.
const DELAY: u64 = 5_000_000_000;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for source in processes(index) {
        let events = events(index, source);
        let at = |is: fn(&ProcessEventKind) -> bool| events.iter().position(|event| is(&event.kind));
        let terminated = at(|kind| matches!(kind, ProcessEventKind::Terminated));
        let gone = at(|kind| matches!(kind, ProcessEventKind::Exited { .. } | ProcessEventKind::Killed));
        let (Some(terminated), Some(_)) = (terminated, gone.filter(|gone| terminated < Some(*gone))) else {
            continue;
        };
        findings.looked();
        let told = events[terminated].time;
        let facts = index.observation.settings.service(&source.service);
        let flushes = facts.is_some_and(|facts| facts.flushes_on_sigterm);
        let mut lost = lost(index, source);
        // Later than that, a span that had been made would have come by itself.
        lost.retain(|hop| {
            let ended = hop.tap().stamps.ended;
            ended < told && (flushes || told - ended < DELAY)
        });
        let expected = "every span, before the process ends";
        report_lost(findings, source, lost, "when its process ended after SIGTERM", expected);
    }
}
