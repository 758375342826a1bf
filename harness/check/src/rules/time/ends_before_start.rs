//! A span ends before it starts.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "ends-before-start",
    family: Family::Time,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

No span ends before it starts. A span without a start or an end is a finding of `time-implausible`.

## Why it matters

Such a span has a negative duration. Backends drop it, show it with a length of zero, or put it at the wrong place; its
duration spoils every average.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render" time=reversed
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
```

## How to fix

- Rust: take explicit times of `start_time` and `end_with_timestamp` from one clock; measure durations with `Instant`.
- Python: `end(end_time=…)` wants nanoseconds since 1970, as `time.time_ns()` gives them.
- Go: do not mix `trace.WithTimestamp` with times that went through a database or a time zone.
- Node: `span.end(time)` wants epoch milliseconds, `performance.now()` or an hrtime, the same kind as `startTime`.
- Java: `setStartTimestamp` and `end(…)` want the same clock; `System.nanoTime()` is not since 1970.

## References

- OTLP, `trace.proto`, field `end_time_unix_nano`:
  <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes().filter(|node| node.start != 0 && node.end != 0) {
        findings.looked();
        if node.end < node.start {
            let by = node.start - node.end;
            findings
                .on_span(node, "The span ends before it starts.")
                .expected("an end at or after the start")
                .actual("an end before the start")
                .fact("nanoseconds_before", i64::try_from(by).unwrap_or(i64::MAX));
        }
    }
}
