//! The span of a request says explicitly that all is well.

use spanwise_model::{Evidence, Level, SpanKind, StatusCode};

use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "ok-set-by-instrumentation",
    family: Family::Status,
    level: Level::Information,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Spans of requests and messages have no status OK. That status is the application's to set, and it is final: who set it cannot
be seen, so this is information, one finding for each service and library.

## Why it matters

A span with OK can never become an error again: the SDK ignores what is set later, and rules about errors are silent on it.
An instrumentation that sets it takes the last word from the application.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 status=OK
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
```

## How to fix

- Rust: leave out `span.set_status(Status::Ok)`; unset means that nothing went wrong.
- Python: leave out `span.set_status(StatusCode.OK)` in middleware.
- Go: leave out `span.SetStatus(codes.Ok, "")` in interceptors and handlers.
- Node: leave out `span.setStatus({ code: SpanStatusCode.OK })` in wrappers around handlers.
- Java: leave out `span.setStatus(StatusCode.OK)` in filters and aspects.

## References

- OpenTelemetry, Tracing API, section "Set Status": "Instrumentation Libraries SHOULD NOT set the status code to Ok":
  <https://opentelemetry.io/docs/specs/otel/trace/api/#set-status>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut found: Ordered<_, (Node<'_>, i64)> = Ordered::default();
    for node in index.nodes().filter(|node| !matches!(node.kind, SpanKind::Internal | SpanKind::Unspecified))
    {
        findings.looked();
        if node.status.code == StatusCode::Ok {
            let kind = (index.apart(node), node.service(), &*node.span().scope.name);
            found.entry(kind).or_insert((node, 0)).1 += 1;
        }
    }
    for ((_, _, scope), (node, count)) in found {
        let message =
            "The span has status OK, which only the application may set; no later error can change it.";
        findings
            .on_span(node, message)
            .expected("status UNSET")
            .actual("status OK")
            .fact("scope", scope)
            .fact("spans", count);
    }
}
