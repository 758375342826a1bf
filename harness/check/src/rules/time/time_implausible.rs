//! A span has no time, or one that cannot be.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "time-implausible",
    family: Family::Time,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["ends-before-start", "child-outside-parent"],
    explanation: r#"
## What it checks

Every span has a start and an end, and both lie inside the run, give or take a minute. Where begin and end of the run are
not known, as in captures, they lie after the year 2001: earlier ones are milliseconds or microseconds taken for nanoseconds.
One finding for each service, span name and problem.

## Why it matters

A span from 1970 or from next year is stored under that date, or refused. In the trace that it belongs to it is missing, or
stretches the timeline until nothing else can be seen.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render" time=no-end
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "render"
```

## How to fix

- Rust: end spans before they are exported; convert `SystemTime` with `duration_since(UNIX_EPOCH)?.as_nanos()`.
- Python: times of `start_span` and `end` are nanoseconds: `time.time_ns()`, not `time.time()`.
- Go: leave `trace.WithTimestamp` out where the time is the zero `time.Time`.
- Node: numbers are read as epoch milliseconds; pass an hrtime `[seconds, nanoseconds]` for finer ones.
- Java: name the unit: `setStartTimestamp(time, TimeUnit.MILLISECONDS)`.

## References

- OTLP, `trace.proto`, fields `start_time_unix_nano` and `end_time_unix_nano` (required, nanoseconds since the Unix epoch):
  <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>
- Cloud Trace API v2, `Span.start_time` and `end_time` (required):
  <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

/// How far clocks may differ from that of the run, in nanoseconds.
const SLACK: u64 = 60_000_000_000;

/// September 2001. Nanoseconds before it have fewer than nineteen digits.
const EARLIEST: u64 = 1_000_000_000_000_000_000;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let settings = &index.observation.settings;
    let begun = settings.begun.saturating_sub(SLACK).max(EARLIEST);
    let ended = if settings.ended == 0 { u64::MAX } else { settings.ended.saturating_add(SLACK) };
    let before = if settings.begun == 0 { "before the year 2001" } else { "before the run" };
    let problem = |time: u64| match time {
        0 => Some("missing"),
        time if time < begun => Some(before),
        time if time > ended => Some("after the run"),
        _ => None,
    };
    // Clocks and units are wrong for all spans of a kind alike.
    let mut found: Ordered<_, Vec<Node<'_>>> = Ordered::default();
    for node in index.nodes() {
        findings.looked();
        let start = problem(node.start).map(|problem| ("start", problem));
        if let Some((which, problem)) = start.or(problem(node.end).map(|problem| ("end", problem))) {
            let kind = (index.apart(node), node.service(), node.span().name.as_str(), which, problem);
            found.entry(kind).or_default().push(node);
        }
    }
    for ((_, _, _, which, problem), nodes) in found {
        let message = match problem {
            "missing" => format!("The span has no {which} time."),
            _ => {
                format!("The span's {which} lies {problem}, so it is in the wrong unit or of a wrong clock.")
            }
        };
        let report = findings
            .on_span(nodes[0], message)
            .expected("times at which the service ran")
            .actual(format!("{which} {problem}"))
            .fact("start", nodes[0].start.to_string())
            .fact("end", nodes[0].end.to_string())
            .fact("spans", nodes.len() as i64);
        nodes[1..].iter().fold(report, |report, node| report.reaches_span(*node));
    }
}
