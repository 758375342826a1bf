//! A span describes an error that it does not have.

use spanwise_model::{Evidence, Level, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "status-description-on-ok",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Only a status ERROR has a description.

## Why it matters

Backends show the description as the reason of an error. On a span that is none it is either lost, so the text that
somebody wrote is never seen, or it makes a good request look like a failed one.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 status=UNSET "all good"
```

## Good

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 status=ERROR "no greeting left" error.type="500"
```

## How to fix

- Rust: give a description to `Status::error(…)` alone; an exporter must not write one for other states.
- Python: `Status(StatusCode.UNSET, description)` is refused with a warning; write the text as a label or an event.
- Go: pass a description with `codes.Error` alone; use `span.AddEvent` for remarks.
- Node: leave `message` out of `span.setStatus` unless the code is `SpanStatusCode.ERROR`.
- Java: call `span.setStatus(StatusCode.ERROR, description)` or use an event; drop descriptions of other states.

## References

- OpenTelemetry, Tracing API, section "Set Status": "Description MUST be IGNORED for StatusCode Ok & Unset values":
  <https://opentelemetry.io/docs/specs/otel/trace/api/#set-status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        findings.looked();
        if node.status.code != StatusCode::Error && !node.status.message.is_empty() {
            findings
                .on_span(node, "The span's status has a description, but the span is not marked as an error.")
                .expected("no description")
                .actual(format!("status {} \"{}\"", node.status.code.as_str(), node.status.message));
        }
    }
}
