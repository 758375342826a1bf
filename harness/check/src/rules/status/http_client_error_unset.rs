//! An HTTP call failed, and the caller's span is not marked as an error.

use spanwise_model::{Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Hop, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "http-client-error-unset",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The CLIENT span of an HTTP call that got 500 or above has status ERROR. For 400 to 499 the conventions only recommend it, so
that is a warning. Calls that the caller itself gave up are left out, and so is a status that somebody set to OK.

## Why it matters

The caller's span is often all that is known of a service run by others. If it does not say that the call failed, nothing in
the trace does.

## Bad

```trace
driver CLIENT "POST /checkout" 200
  shop SERVER "POST /checkout" 200
    shop CLIENT "GET" 503
```

## Good

```trace
driver CLIENT "POST /checkout" 200
  shop SERVER "POST /checkout" 200
    shop CLIENT "GET" 503 status=ERROR error.type="503"
```

## How to fix

- Rust: in the middleware around `reqwest` or `hyper` set the status from `response.status()`, not only on `Err`.
- Python: update the instrumentation of `requests`, `httpx` or `aiohttp`; `raise_for_status()` comes too late for the span.
- Go: use `otelhttp.NewTransport`; a `RoundTripper` of your own must look at the code, as `err` is nil for 5xx.
- Node: `fetch` does not reject for 5xx; set the status in `responseHook`, or use `@opentelemetry/instrumentation-undici`.
- Java: update the agent, or set it in the client's interceptor from `response.code()`.

## References

- Semantic conventions for HTTP spans, section "Status": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(outcome) = outcome::http(node, SpanKind::Client, findings) else { continue };
        let code = outcome.code;
        let given_up = outcome.hop.is_some_and(Hop::is_canceled);
        if code < 400 || node.status.code != StatusCode::Unset || given_up {
            continue;
        }
        let level = if code < 500 { Level::Warning } else { Level::Violation };
        findings
            .on_span(node, format!("This call got {code}, but the caller's span is not marked as an error."))
            .level(level)
            .expected("status ERROR")
            .actual("status UNSET")
            .fact("code", i64::from(code));
    }
}
