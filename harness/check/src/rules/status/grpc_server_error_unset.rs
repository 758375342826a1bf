//! A gRPC server failed, and its span is not marked as an error.

use spanwise_model::{Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "grpc-server-error-unset",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The SERVER span of a gRPC call that the server answered with UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
UNAVAILABLE or DATA_LOSS has status ERROR. The code is that of the wire, where the front saw it, else the one on the span. A
status that somebody set to OK is left alone.

## Why it matters

These six codes say that the server is to blame. If its own span does not say so, the service's error rate stays at zero
while its callers see failures.

## Bad

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" INTERNAL
  backend-service SERVER "backend_service.v1.BackendService/Greet" INTERNAL
```

## Good

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" INTERNAL
  backend-service SERVER "backend_service.v1.BackendService/Greet" INTERNAL status=ERROR error.type="INTERNAL"
```

## How to fix

- Rust: in the server layer read the code from the response's headers and trailers and set the status before the span ends.
- Python: the server instrumentation misses `abort_with_status` and exceptions that nobody catches; set the status in an
  interceptor outside of it.
- Go: use `otelgrpc.NewServerHandler()` as a stats handler instead of the deprecated interceptors.
- Node: wrap the handler's callback and call `span.setStatus({ code: SpanStatusCode.ERROR })` for these codes.
- Java: in a `ServerInterceptor` override `close(status, trailers)` and set it there; the agent does.

## References

- Semantic conventions for gRPC, server spans and `rpc.response.status_code`:
  <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(outcome) = outcome::grpc(node, SpanKind::Server, findings) else { continue };
        let code = outcome.code;
        if !code.is_server_error() || node.status.code != StatusCode::Unset {
            continue;
        }
        findings
            .on_span(node, format!("The service answered {code}, but its span is not marked as an error."))
            .expected("status ERROR")
            .actual("status UNSET")
            .fact("code", code.as_str());
    }
}
