//! A span is marked as an error and does not say which.

use spanwise_model::{Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "error-type-missing",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

A SERVER or CLIENT span with status ERROR has `error.type`: the status code as text, the gRPC code, or the class of the
exception; `_OTHER` where nothing is known.

## Why it matters

`error.type` is the one label by which errors of all protocols can be counted and grouped. Descriptions and exception messages
hold ids and addresses, so every one is different.

## Bad

```trace
driver CLIENT "POST /greet" 503
  api-service SERVER "POST /greet" 503 status=ERROR
```

## Good

```trace
driver CLIENT "POST /greet" 503
  api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
```

## How to fix

- Rust: `span.set_attribute(KeyValue::new("error.type", code))` where the status is set.
- Python: set `OTEL_SEMCONV_STABILITY_OPT_IN=http`; the older conventions, which are the default, have no `error.type`.
- Go: update `otelhttp` and `otelgrpc`; in code of your own use `semconv.ErrorType(err)` beside `span.SetStatus`.
- Node: set `OTEL_SEMCONV_STABILITY_OPT_IN=http`, or set `ATTR_ERROR_TYPE` in the hook that sets the status.
- Java: update the agent to 2.x, which sets it; in code of your own set `ErrorAttributes.ERROR_TYPE`.

## References

- OpenTelemetry, Recording errors, section "Recording errors on spans":
  <https://opentelemetry.io/docs/specs/semconv/general/recording-errors/>
- Registry, `error.type`: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let is_request = |node: &Node<'_>| matches!(node.kind, SpanKind::Server | SpanKind::Client);
    for node in index.nodes().filter(is_request).filter(|node| node.status.code == StatusCode::Error) {
        findings.looked();
        if node.attribute("error.type").is_none() {
            findings
                .on_span(
                    node,
                    "The span is marked as an error, but no label says which kind of error it was.",
                )
                .expected("error.type")
                .actual("none")
                .fact("label", "error.type");
        }
    }
}
