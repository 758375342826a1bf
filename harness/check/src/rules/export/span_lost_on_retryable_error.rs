//! A batch was refused for a moment, and never sent again.

use std::cell::LazyCell;

use foldhash::HashSet;
use spanwise_model::{Evidence, Export, ExportAnswer, Level, ProcessEvent, ProcessEventKind, Source};

use super::{Carried, reach_calls_of, spans};
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-lost-on-retryable-error",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &[
        "export-refused",
        "nothing-received",
        "parent-not-exported",
        "entry-without-server-span",
        "hop-without-server-span",
        "hop-without-client-span",
    ],
    explanation: r#"
## What it checks

The spans of a request that was refused with `UNAVAILABLE` or `DEADLINE_EXCEEDED` come again in another request. An exporter that
is ended within ten seconds had no time for it, and is not observed.

## Why it matters

Both codes say "try again": they are what a restart or a short overload of the endpoint looks like. An exporter that gives up at
the first one loses a whole batch each time, without a word.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1 to=api-service
export:
  api-service otlp-grpc refused UNAVAILABLE "try again" spans=1 carries=T1/P1
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2 export=2
export:
  api-service otlp-grpc refused UNAVAILABLE "try again" spans=1 carries=T1/S2
  api-service otlp-grpc
```

## How to fix

- Rust: enable the retry features of `opentelemetry-otlp`; an exporter of your own must tell retryable codes from others.
- Python: use an exporter of a current version; it retries by itself until `OTEL_EXPORTER_OTLP_TIMEOUT`.
- Go: leave `otlptracegrpc.WithRetry` at its standard; do not set `Enabled: false`.
- Node: use a current `@opentelemetry/otlp-exporter-base`; do not wrap the exporter in one that swallows errors.
- Java: leave the retry policy on (`otel.java.exporter.otlp.retry.disabled=false`).

## References

- OTLP, section "Failures": <https://opentelemetry.io/docs/specs/otlp/#failures>
"#,
    check: Check::One(check),
};

/// What says "try again" (OTLP, table of retryable codes, as far as Cloud Trace answers with them).
const RETRYABLE: [&str; 2] = ["UNAVAILABLE", "DEADLINE_EXCEEDED"];

/// How long an exporter may wait before it tries again, in nanoseconds: the longest first wait of any SDK, and some more.
const PATIENCE: u64 = 10_000_000_000;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let carried = LazyCell::new(|| Carried::of(index));
    // By instance and code: spans and requests.
    let mut given_up: Ordered<(Option<&Source>, &str), (HashSet<_>, i64)> = Ordered::default();
    for export in &index.observation.exports {
        let ExportAnswer::Refused(refusal) = &export.answer else { continue };
        if !RETRYABLE.contains(&&*refusal.code) || export.spans == 0 {
            continue;
        }
        if export.carries.is_empty() || !had_time(index, export) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        let lost = export.carries.iter().filter(|span| carried.times(span) == 1 && !carried.has_come(span));
        let lost: Vec<_> = lost.copied().collect();
        if !lost.is_empty() {
            let (spans, requests) = given_up.entry((export.source.as_ref(), &refusal.code)).or_default();
            spans.extend(lost);
            *requests += 1;
        }
    }
    for ((source, code), (lost, requests)) in given_up {
        let service = source.map(|source| &*source.service);
        let who = service.unwrap_or("An exporter");
        let text = format!("{who} lost {} because it did not try again after {code}.", spans(lost.len()));
        let report = match service {
            Some(service) => findings.on_service(service, text),
            None => findings.on_whole(text),
        };
        let report = report
            .expected("the same spans once more")
            .actual("never sent again")
            .fact("code", code)
            .fact("requests", requests)
            .fact("spans", lost.len() as i64);
        reach_calls_of(index, service, report);
    }
}

/// Whether the exporter lived long enough after a refusal to try again.
fn had_time(index: &Index<'_>, export: &Export) -> bool {
    let is_own = |event: &&ProcessEvent| Some(&event.source) == export.source.as_ref();
    let is_end = |kind: &ProcessEventKind| {
        let ends = [ProcessEventKind::Terminated, ProcessEventKind::Killed];
        ends.contains(kind) || matches!(kind, ProcessEventKind::Exited { .. })
    };
    let mut ends = index.observation.process.iter().filter(is_own).filter(|event| is_end(&event.kind));
    ends.all(|event| event.time >= export.time.saturating_add(PATIENCE))
}
