//! The status code on a span is not the one that was on the wire.

use spanwise_model::{End, Evidence, GrpcCode, Level, SpanKind};

use crate::semconv::{self, GRPC_STATUS, HTTP_STATUS};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "status-code-label-wrong",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[
        "grpc-client-error-unset",
        "grpc-server-error-unset",
        "grpc-server-error-overset",
        "http-server-error-unset",
        "http-server-error-overset",
        "http-client-error-unset",
        "error-on-success",
        "error-type-missing",
        "label-values-disagree",
    ],
    explanation: r#"
## What it checks

The status code that a SERVER or CLIENT span carries is the one that passed the front: `http.response.status_code`, and the
gRPC code in any generation of its name. Answers that broke off have no code to compare. A client may fail by itself after a
good answer, or give up before it: its own code counts then.

## Why it matters

The usual cause is an exception that nobody caught: the library answers UNKNOWN after the span was closed with OK. The
trace says that all went well, the caller got an error, and both seem to be right.

## Bad

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" UNKNOWN id=S1
  backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> backend-service h2c UNKNOWN traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" UNKNOWN id=S1
  backend-service SERVER "backend_service.v1.BackendService/Greet" UNKNOWN status=ERROR error.type="UNKNOWN"
wire:
  driver -> backend-service h2c UNKNOWN traceparent: T1-S1-01
```

## How to fix

- Rust: put the layer that catches panics inside the layer that traces, so that the span sees the answer made of the panic.
- Python: `opentelemetry-instrumentation-grpc` leaves code 0 where a handler raises; catch in an interceptor of your own and call
  `context.set_code` before the exception passes it.
- Go: recover inside the handler that `otelhttp` or `otelgrpc` wraps, and answer there.
- Node: pass errors to the callback or to `next(error)`; do not throw after the span was ended.
- Java: register the exception handler's interceptor inside the tracing one; interceptors run in reverse order.

## References

- Semantic conventions for gRPC, `rpc.response.status_code`: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
- Semantic conventions for HTTP spans, `http.response.status_code`:
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes().filter(|node| matches!(node.kind, SpanKind::Server | SpanKind::Client)) {
        let Some(hop) = outcome::answer(node) else { continue };
        let is_complete = hop.tap().end == End::Complete;
        let grpc = semconv::grpc_status(node.span()).zip(hop.tap().grpc_status()).filter(|_| is_complete);
        let http = semconv::http_status(node.span()).zip(outcome::http_on_wire(hop));
        if grpc.is_some() || http.is_some() {
            findings.looked();
        }
        if let Some((label, wire)) = grpc
            && grpc_differs(node.kind, label, wire)
        {
            report(findings, node, GRPC_STATUS, &label.to_string(), &wire.to_string());
        }
        if let Some((label, wire)) = http
            && http_differs(node.kind, label, wire)
            && !hop.is_canceled()
        {
            report(findings, node, HTTP_STATUS, &label.to_string(), &wire.to_string());
        }
    }
}

/// Whether a label says otherwise than the wire, where the span cannot know better.
fn grpc_differs(kind: SpanKind, label: GrpcCode, wire: GrpcCode) -> bool {
    // A deadline or a cancellation may be noticed on one side first.
    let raced = |code| matches!(code, GrpcCode::Cancelled | GrpcCode::DeadlineExceeded);
    let own_failure = match kind {
        SpanKind::Client => wire == GrpcCode::Ok || raced(label),
        _ => raced(label) && raced(wire),
    };
    label != wire && !own_failure
}

/// The same of HTTP. A client may follow a redirection to where no front is, or answer from its cache.
fn http_differs(kind: SpanKind, label: u16, wire: u16) -> bool {
    label != wire && !(kind == SpanKind::Client && (300..400).contains(&wire))
}

fn report(
    findings: &mut Findings<'_>,
    node: Node<'_>,
    names: &'static [&'static str],
    label: &str,
    wire: &str,
) {
    let name = semconv::named(node.span(), names).map_or(names[0], |(name, _)| name);
    let message = match node.kind {
        SpanKind::Client => {
            format!("The span says that the call ended with {label}, but the answer was {wire}.")
        }
        _ => format!("The span says that the service answered {label}, but what it sent was {wire}."),
    };
    let report = findings
        .on_span(node, message)
        .expected(wire)
        .actual(label)
        .fact("label", name)
        .fact("code_on_wire", wire)
        .fact("code_on_span", label);
    if let Some(hop) = outcome::answer(node) {
        report.hop(hop);
    }
}
