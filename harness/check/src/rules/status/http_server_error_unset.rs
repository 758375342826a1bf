//! An HTTP server failed, and its span is not marked as an error.

use spanwise_model::{Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "http-server-error-unset",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The SERVER span of a request that was answered with 500 or above has status ERROR. The code is that of the wire, where the
front saw it, else the one on the span. A status that somebody set to OK is left alone.

## Why it matters

Error lists and error rates are made of spans with status ERROR. A request that failed without it is found by nobody who
does not already know its trace.

## Bad

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500
```

## Good

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 status=ERROR error.type="500"
```

## How to fix

- Rust: set the status from `response.status().is_server_error()` in the layer that ends the span; a layer inside of it that
  turns panics into answers must come after it.
- Python: call `FastAPIInstrumentor.instrument_app(app)` after adding middleware of your own, so that the span lies outside of
  it and sees the answers that it makes of exceptions.
- Go: wrap the outermost handler with `otelhttp.NewHandler`; recover from panics inside of it, not outside.
- Node: load the instrumentation before the framework; error handlers that write the answer themselves are seen then.
- Java: let exceptions reach the servlet filter of the agent, or call `span.setStatus(StatusCode.ERROR)` in the handler.

## References

- Semantic conventions for HTTP spans, section "Status": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(outcome) = outcome::http(node, SpanKind::Server, findings) else { continue };
        let code = outcome.code;
        if code < 500 || node.status.code != StatusCode::Unset {
            continue;
        }
        findings
            .on_span(node, format!("The service answered {code}, but its span is not marked as an error."))
            .expected("status ERROR")
            .actual("status UNSET")
            .fact("code", i64::from(code));
    }
}
