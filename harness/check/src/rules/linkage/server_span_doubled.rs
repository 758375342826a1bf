//! One call led to two SERVER spans in one service.

use spanwise_model::{Evidence, Level, SpanKind};

use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "server-span-doubled",
    family: Family::Linkage,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

A service has one SERVER span for one call and one attempt: no second one beside it, and none below it in the same
process without a call between them.

## Why it matters

Counts and latencies that are made of SERVER spans are twice what they should be. It happens when a framework and the
server below it are both instrumented.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "handler"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: add one tracing layer, to the server or to the router, not to both.
- Python: instrument the framework or the WSGI/ASGI middleware, not both.
- Go: wrap the outermost handler only.
- Node: switch one of the HTTP and framework instrumentations to INTERNAL spans.
- Java: let the agent do it, and remove the manual filter.

## References

- OpenTelemetry, trace API, section SpanKind: <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
"#,
    check: Check::One(check),
};

/// How far a SERVER span's ancestors are searched for another one.
const REACH: usize = 64;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops() {
        for second in hop.surplus() {
            let first = hop.server().map_or(String::new(), |first| format!(", beside \"{}\"", first.name));
            findings
                .on_span(second, format!("{} has a second SERVER span for one and the same call.", hop.to()))
                .hop(hop)
                .expected("one SERVER span")
                .actual(format!("\"{}\"{first}", second.name));
        }
    }
    for server in index.nodes().filter(|node| node.kind == SpanKind::Server) {
        findings.looked();
        if server.came_by().is_some_and(|hop| hop.server() == Some(server)) {
            continue;
        }
        if let Some(outer) = outer(server) {
            let service = server.service().unwrap_or("the service");
            findings
                .on_span(server, format!("{service} has a second SERVER span below that of the same call."))
                .expected("one SERVER span")
                .actual(format!("\"{}\" below \"{}\"", server.name, outer.name));
        }
    }
}

/// The SERVER span above it in the same process, with no call between the two.
fn outer(server: Node<'_>) -> Option<Node<'_>> {
    let same_process = |node: &Node<'_>| node.same_process(server) == Some(true);
    let calls = |node: &Node<'_>| matches!(node.kind, SpanKind::Client | SpanKind::Producer);
    let mut own = server.ancestors().take(REACH).take_while(|node| same_process(node) && !calls(node));
    own.find(|node| node.kind == SpanKind::Server)
}
