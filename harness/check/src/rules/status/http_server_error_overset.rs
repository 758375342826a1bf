//! An HTTP caller made a mistake, and the server's span is marked as an error.

use spanwise_model::{End, Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "http-server-error-overset",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The SERVER span of a request that was answered with 400 to 499 has no status ERROR. An answer that broke off on the wire
is left out: there the service did fail.

## Why it matters

A 404 is the right answer to a wrong request. If it counts as an error of the service, every crawler raises its error rate,
and the failures that matter drown in it.

## Bad

```trace
driver CLIENT "POST /greet" 404
  api-service SERVER "POST /greet" 404 status=ERROR error.type="404"
```

## Good

```trace
driver CLIENT "POST /greet" 404
  api-service SERVER "POST /greet" 404
```

## How to fix

- Rust: set ERROR on servers only if `status.is_server_error()`; `tracing::error!` inside the span may set it too.
- Python: do not let `HTTPException` pass a `with tracer.start_as_current_span(...)` block, which marks the span.
- Go: drop a `span.SetStatus(codes.Error, …)` in handlers that answer 4xx; `otelhttp` does it right.
- Node: remove the status from the error handler, or set it for 500 and above alone.
- Java: remove `span.setStatus(StatusCode.ERROR)` from exception mappers that answer 4xx.

## References

- Semantic conventions for HTTP spans, section "Status": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(outcome) = outcome::http(node, SpanKind::Server, findings) else { continue };
        let code = outcome.code;
        let broke_off = outcome.hop.is_some_and(|hop| hop.tap().end != End::Complete);
        if !(400..500).contains(&code) || node.status.code != StatusCode::Error || broke_off {
            continue;
        }
        let message = format!(
            "The service answered {code}, which is for the caller to correct, but its own span is marked as an error."
        );
        findings
            .on_span(node, message)
            .expected("status UNSET")
            .actual("status ERROR")
            .fact("code", i64::from(code));
    }
}
