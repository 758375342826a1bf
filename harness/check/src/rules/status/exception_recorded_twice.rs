//! One exception stands on a span twice.

use spanwise_model::{Evidence, Level, Value};

use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "exception-recorded-twice",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

No two `exception` events of a span within a tenth of a second have the same type and message. Where the front saw a span make
several attempts, each may have failed with the same exception.

## Why it matters

Error reporting counts exception events: every failure counts double, and its stack trace is stored and paid for twice.

## Bad

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 status=ERROR error.type="ValueError"
    | event "exception" exception.type="ValueError" exception.message="no name"
    | event "exception" exception.type="ValueError" exception.message="no name"
```

## Good

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 status=ERROR error.type="ValueError"
    | event "exception" exception.type="ValueError" exception.message="no name"
```

## How to fix

- Rust: record the error where it is handled, not in every layer that passes it on.
- Python: `start_as_current_span` records what leaves its block; leave out `span.record_exception`, or pass
  `record_exception=False`.
- Go: call `span.RecordError(err)` in the function that ends the span alone.
- Node: `startActiveSpan` records nothing, the instrumentation around it may; record in one of both.
- Java: `@WithSpan` records what the method throws; leave out `span.recordException(e)` inside it.

## References

- OpenTelemetry, Exceptions, section "Recording an Exception": <https://opentelemetry.io/docs/specs/otel/trace/exceptions/>
- Semantic conventions for exceptions on spans: <https://opentelemetry.io/docs/specs/semconv/exceptions/exceptions-spans/>
"#,
    check: Check::One(check),
};

/// How far apart the records of one exception may be, in nanoseconds: it passes a few layers. What a loop meets again after
/// a pause is another exception.
const APART: u64 = 100_000_000;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let mut times: Ordered<(&str, String), Vec<u64>> = Ordered::default();
        for event in node.span().events.iter().filter(|event| event.name == "exception") {
            findings.looked();
            let label =
                |key: &str| event.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value);
            let message = label("exception.message").map(Value::to_string);
            // What says nothing of itself cannot be compared.
            let Some(kind) = label("exception.type").and_then(Value::as_str) else { continue };
            times.entry((kind, message.unwrap_or_default())).or_default().push(event.time);
        }
        let attempts = node.sent().count();
        for ((kind, message), mut times) in times {
            times.sort_unstable();
            let together = times.chunk_by(|one, next| next - one <= APART).map(<[u64]>::len);
            let count = together.max().unwrap_or(0);
            if count < 2 || times.len() <= attempts {
                continue;
            }
            findings
                .on_span(node, format!("The same exception, {kind}, is recorded {count} times on one span."))
                .expected("once")
                .actual(format!("{count} times"))
                .fact("exception_type", kind)
                .fact("exception_message", message);
        }
    }
}
