//! A gRPC caller made a mistake, and the server's span is marked as an error.

use spanwise_model::{Evidence, GrpcCode, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "grpc-server-error-overset",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The SERVER span of a gRPC call has no status ERROR if the code says that the caller is to blame: CANCELLED,
INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED,
OUT_OF_RANGE, UNAUTHENTICATED. The code is that of the wire, where the front saw it, else the one on the span.

## Why it matters

Alerts count spans with status ERROR. If every mistake of a caller counts, the people on call of the service that worked as
it should are woken for it.

## Bad

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" NOT_FOUND
  backend-service SERVER "backend_service.v1.BackendService/Greet" NOT_FOUND status=ERROR error.type="NOT_FOUND"
```

## Good

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" NOT_FOUND
  backend-service SERVER "backend_service.v1.BackendService/Greet" NOT_FOUND
```

## How to fix

- Rust: set ERROR only for the six codes of servers; `tonic::Code` tells them apart.
- Python: update `opentelemetry-instrumentation-grpc`; answer with `context.abort(code, details)`, as an exception that passes
  the span marks it whatever its code.
- Go: update `otelgrpc`, which once marked every code; remove `span.SetStatus(codes.Error, …)` from handlers.
- Node: set the status in the handler for the six codes of servers alone; a wrapper that calls `recordException` and sets ERROR
  for every rejected handler is the usual cause.
- Java: update the agent; a `ServerInterceptor` of your own must not use `!status.isOk()` on servers.

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
        let is_callers_fault = code != GrpcCode::Ok && !code.is_server_error();
        if !is_callers_fault || node.status.code != StatusCode::Error {
            continue;
        }
        let message = format!(
            "The service answered {code}, which is for the caller to correct, but its own span is marked as an error."
        );
        findings
            .on_span(node, message)
            .expected("status UNSET")
            .actual("status ERROR")
            .fact("code", code.as_str());
    }
}
