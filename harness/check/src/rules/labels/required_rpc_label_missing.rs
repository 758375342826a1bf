//! A gRPC span lacks a label that every gRPC span has.

use spanwise_model::{Evidence, Level, SpanKind};

use super::missing;
use crate::semconv::Protocol;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "required-rpc-label-missing",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["same-protocol-different-labels"],
    explanation: r#"
## What it checks

A gRPC CLIENT span has the RPC system, the method, the status code and `server.address`; a gRPC SERVER span the system and
the status code. A name of an older version of the conventions is enough here.

## Why it matters

"All calls of Greet that ended UNAVAILABLE" is a query over these labels. The status of a gRPC call is in no HTTP status:
where the label is missing, a failed call looks like every other.

## Bad

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" OK
  backend-service SERVER "backend_service.v1.BackendService/Greet" OK !rpc.system.name
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
```

## How to fix

- Rust: put a tower layer around channel and server that sets them; tonic sets none by itself.
- Python: `GrpcInstrumentorClient` sets system, method and status but not `server.address`: add it in `request_hook`.
- Go: `otelgrpc.NewClientHandler()` and `otelgrpc.NewServerHandler()` set all of them.
- Node: `@opentelemetry/instrumentation-grpc` sets them; load it before `@grpc/grpc-js`.
- Java: use the agent, or `GrpcTelemetry.create(openTelemetry)` on channel and server.

## References

- Semantic conventions for gRPC, section "Spans", requirement levels of client and server:
  <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    missing(index, findings, Protocol::Grpc, |kind, label| match (label, kind) {
        ("rpc.system.name", _) => "that it is a gRPC call",
        ("rpc.method", _) => "the method it called",
        ("server.address", _) => "the host it called",
        (_, SpanKind::Server) => "the gRPC status code it answered with",
        _ => "the gRPC status code of the answer",
    });
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::labels;

    #[test]
    fn missing_labels() {
        for (text, expected) in [
            (r#"api CLIENT "a.B/C" OK"#, vec![]),
            (r#"api CLIENT "a.B/C""#, vec!["rpc.response.status_code"]),
            (r#"api SERVER "a.B/C""#, vec!["rpc.response.status_code"]),
            (r#"api CLIENT "a.B/C" OK !rpc.method !server.address"#, vec!["rpc.method", "server.address"]),
            (r#"api SERVER "a.B/C" OK !rpc.method"#, vec![]),
            // Every generation counts.
            (r#"api SERVER "a.B/C" !rpc.system.name rpc.system="grpc" rpc.grpc.status_code=0"#, vec![]),
            (r#"api SERVER "a.B/C" rpc.status_code="OK""#, vec![]),
            (r#"api CLIENT "a.B/C" OK !server.address net.peer.name="h""#, vec![]),
            (r#"api CLIENT "a.B/C" OK !server.address net.peer.ip="10.0.0.7""#, vec![]),
            (r#"api CLIENT "a.B/C" OK !server.address net.sock.peer.addr="10.0.0.7""#, vec![]),
            (r#"api CLIENT "a.B/C" OK !server.address net.sock.peer.name="h""#, vec![]),
            // Without any label the name tells.
            (
                r#"api SERVER "/a.B/C" !rpc.system.name !rpc.method"#,
                vec!["rpc.response.status_code", "rpc.system.name"],
            ),
            // Other systems have conventions of their own.
            (r#"api CLIENT "S3/PutObject" !rpc.system.name rpc.system="aws-api""#, vec![]),
        ] {
            let mut found = labels("required-rpc-label-missing", text);
            found.sort();
            assert_eq!(found, expected, "{text}");
        }
    }
}
