//! A batch that was refused for good was sent again.

use std::cell::LazyCell;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Evidence, Export, ExportAnswer, Level, SpanId, TraceId};

use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "retried-permanent-error",
    family: Family::Export,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &[],
    explanation: r#"
## What it checks

A request that was refused with `INVALID_ARGUMENT` does not come again as it was. One finding for each service.

## Why it matters

`INVALID_ARGUMENT` says that the same request will be refused for ever. Sending it again holds up the spans behind it, fills the
queue until new ones are dropped, and costs quota.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2 export=2
export:
  api-service otlp-grpc refused INVALID_ARGUMENT "no name" spans=1 carries=T1/S2
  api-service otlp-grpc
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

- Rust: retry only `UNAVAILABLE`, `DEADLINE_EXCEEDED` and the other retryable codes; drop the rest and log it.
- Python: use the exporters of the SDK: they know which codes are retryable; do not put the batch back by hand.
- Go: do not wrap the exporter in a loop; `otlptracegrpc` tells the codes apart.
- Node: check `error.code` before the batch is sent again.
- Java: do not retry in an exporter of your own unless the code is retryable.

## References

- OTLP, section "Failures": <https://opentelemetry.io/docs/specs/otlp/#failures>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let exports = &index.observation.exports;
    let carried_by = LazyCell::new(|| carried_by(index));
    let mut again: Ordered<Option<&str>, i64> = Ordered::default();
    for (at, export) in exports.iter().enumerate() {
        let is_permanent = matches!(&export.answer, ExportAnswer::Refused(why) if why.code == PERMANENT);
        if !is_permanent {
            findings.looked();
            continue;
        }
        if export.carries.is_empty() {
            findings.not_observed();
            continue;
        }
        findings.looked();
        let is_same = |(later, other): (usize, &Export)| {
            let is_later = (other.time, later) > (export.time, at) && other.source == export.source;
            is_later && carried_by.get(&later) == carried_by.get(&at)
        };
        if exports.iter().enumerate().any(is_same) {
            *again.entry(export.source.as_ref().map(|source| &*source.service)).or_default() += 1;
        }
    }
    for (service, requests) in again {
        let who = service.unwrap_or("An exporter");
        let what = if requests == 1 { "a request".to_owned() } else { format!("{requests} requests") };
        let text = format!("{who} sent {what} again that had been refused with {PERMANENT}.");
        let report = match service {
            Some(service) => findings.on_service(service, text),
            None => findings.on_whole(text),
        };
        report.expected("dropped").actual("sent again").fact("code", PERMANENT).fact("requests", requests);
    }
}

/// The spans of every export request, those that did not come among them.
fn carried_by(index: &Index<'_>) -> HashMap<usize, HashSet<(TraceId, SpanId)>> {
    let mut carried_by: HashMap<usize, HashSet<(TraceId, SpanId)>> = HashMap::default();
    for node in index.nodes() {
        if let Some(export) = node.export {
            carried_by.entry(export).or_default().insert((node.trace_id, node.span_id));
        }
    }
    for (at, export) in index.observation.exports.iter().enumerate() {
        carried_by.entry(at).or_default().extend(&export.carries);
    }
    carried_by
}

/// What says that the same request will be refused for ever.
const PERMANENT: &str = "INVALID_ARGUMENT";
