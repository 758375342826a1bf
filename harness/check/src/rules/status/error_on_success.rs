//! A span is marked as an error although its request went well.

use spanwise_model::{End, Evidence, GrpcCode, Level, SpanKind, StatusCode};

use crate::semconv::Protocol;
use crate::{Check, Family, Findings, Index, Node, Profile, Rule, outcome, semconv};

pub(crate) static RULE: Rule = Rule {
    name: "error-on-success",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["error-type-missing"],
    explanation: r#"
## What it checks

A SERVER or CLIENT span with status ERROR has a reason for it: a code that is no success, an `error.type`, a recorded
exception, or an answer that broke off on the wire. Calls that no front saw are not judged.

## Why it matters

Errors without a reason cannot be acted upon. They come from one place that marks the span too eagerly, and they hide the
real ones.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 status=ERROR
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 status=ERROR "out of stock" error.type="OutOfStock"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: an event at level ERROR marks the span that is open; turn it off with `with_error_events_to_status(false)` on the layer.
- Python: leave `with tracer.start_as_current_span(...)` without the exception that you handled, or set `error.type` beside it.
- Go: do not call `span.SetStatus(codes.Error, …)` for an error that the handler recovered from.
- Node: a `catch` that sets the status must not run for a retry that succeeded later.
- Java: `span.recordException(e)` keeps the reason on the span; set `error.type` where the request counts as failed.

## References

- OpenTelemetry, Recording errors: <https://opentelemetry.io/docs/specs/semconv/general/recording-errors/>
- Semantic conventions for HTTP spans, section "Status": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let is_request = |node: &Node<'_>| matches!(node.kind, SpanKind::Server | SpanKind::Client);
    for node in index.nodes().filter(is_request).filter(|node| node.status.code == StatusCode::Error) {
        let Some(hop) = outcome::answer(node) else {
            findings.not_observed();
            continue;
        };
        findings.looked();
        let has_reason = node.attribute("error.type").is_some()
            || node.events.iter().any(|event| event.name == "exception")
            || hop.tap().end != End::Complete;
        let Some(code) = success(node).filter(|_| !has_reason) else { continue };
        findings
            .on_span(node, format!("The request ended well with {code}, but its span is marked as an error, and nothing says why."))
            .expected("status UNSET, or an error.type that says why")
            .actual("status ERROR")
            .fact("code", code);
    }
}

/// The code of the request, if span and wire agree that it is a success.
fn success(node: Node<'_>) -> Option<String> {
    let tap = outcome::answer(node)?.tap();
    match outcome::protocol(node)? {
        Protocol::Grpc => {
            let codes = [semconv::grpc_status(node.span()), tap.grpc_status()];
            codes.iter().flatten().all(|&code| code == GrpcCode::Ok).then_some(())?;
            tap.grpc_status().map(|code| code.to_string())
        }
        Protocol::Http => {
            let codes = [semconv::http_status(node.span()), tap.status];
            codes.iter().flatten().all(|&code| code < 400).then_some(())?;
            tap.status.map(|code| code.to_string())
        }
    }
}
