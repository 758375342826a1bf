//! A gRPC call failed, and the caller's span is not marked as an error.

use spanwise_model::{Evidence, GrpcCode, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "grpc-client-error-unset",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The CLIENT span of a gRPC call that ended with any code but OK has status ERROR. The code is that of the wire, where the
last attempt was seen there, else the one on the span. A status that somebody set to OK is left alone.

## Why it matters

Whoever looks for failed calls asks for spans with status ERROR. A call that failed without it is in no error list, in no
error rate, and its trace looks healthy.

## Bad

```trace
driver CLIENT "POST /greet" 404
  api-service SERVER "POST /greet" 404
    api-service CLIENT "backend_service.v1.BackendService/Greet" NOT_FOUND
      backend-service SERVER "backend_service.v1.BackendService/Greet" NOT_FOUND
```

## Good

```trace
driver CLIENT "POST /greet" 404
  api-service SERVER "POST /greet" 404
    api-service CLIENT "backend_service.v1.BackendService/Greet" NOT_FOUND status=ERROR error.type="NOT_FOUND"
      backend-service SERVER "backend_service.v1.BackendService/Greet" NOT_FOUND
```

## How to fix

- Rust: in the client layer read `grpc-status` from headers and trailers, then `span.set_status(Status::error(…))`.
- Python: update `opentelemetry-instrumentation-grpc`; with an interceptor of your own call `span.set_status(StatusCode.ERROR)` in
  `except grpc.RpcError`.
- Go: pass `grpc.WithStatsHandler(otelgrpc.NewClientHandler())` to the client; it sets ERROR for every code but OK.
- Node: in an interceptor's `onReceiveStatus` call `span.setStatus({ code: SpanStatusCode.ERROR })` if `status.code !== 0`.
- Java: use the agent or `GrpcTelemetry`; in a `ClientInterceptor` set it in `onClose` unless `status.isOk()`.

## References

- Semantic conventions for gRPC, `rpc.response.status_code` and span status:
  <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(outcome) = outcome::grpc(node, SpanKind::Client, findings) else { continue };
        let code = outcome.code;
        if code == GrpcCode::Ok || node.status.code != StatusCode::Unset {
            continue;
        }
        findings
            .on_span(
                node,
                format!("This call ended with {code}, but the caller's span is not marked as an error."),
            )
            .expected("status ERROR")
            .actual("status UNSET")
            .fact("code", code.as_str());
    }
}
