//! A trace has more roots than requests were sent in it.

use foldhash::HashMap;
use spanwise_model::{Evidence, Level, TraceId};

use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "several-roots",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["server-span-doubled", "wrong-remote-parent", "remote-context-ignored"],
    explanation: r#"
## What it checks

A trace has one root for each request that was sent in it: a span without a parent, or a child of the driver's. A trace
that no request was sent in has one root.

## Why it matters

A second root means that a part of the work kept the trace id and lost the parent; it hangs in the air beside the request
that caused it.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
api-service INTERNAL "send mail"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "send mail"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: carry the context into spawned tasks with `.with_context(cx)` or `.instrument(span)`.
- Python: pass the context to threads and background tasks, and attach it there.
- Go: start the span from the request's `ctx`; for work that outlives it use `context.WithoutCancel(ctx)`.
- Node: bind callbacks with `context.bind(context.active(), f)`.
- Java: wrap executors with `Context.taskWrapping(…)`.

## References

- OpenTelemetry, overview, section Traces: <https://opentelemetry.io/docs/specs/otel/overview/#traces>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut sent: HashMap<TraceId, usize> = HashMap::default();
    for (_, request) in index.requests() {
        *sent.entry(request.trace_id).or_default() += 1;
    }
    let mut roots_of: Ordered<TraceId, Vec<Node<'_>>> = Ordered::default();
    for node in index.nodes().filter(|node| node.trace_id.is_valid() && node.is_root() && !node.is_copy()) {
        roots_of.entry(node.trace_id).or_default().push(node);
    }
    for (trace, roots) in roots_of {
        findings.looked();
        let requests = sent.get(&trace).copied().unwrap_or(1);
        if roots.len() <= requests {
            continue;
        }
        // Children of the driver came first into the trace; what has no parent at all is the odd one.
        let odd = roots.iter().copied().find(|root| root.parent().is_none() && roots[0] != *root);
        let odd = odd.unwrap_or(roots[roots.len() - 1]);
        let names: Vec<String> = roots
            .iter()
            .take(8)
            .map(|root| format!("\"{}\" of {}", root.name, root.shown_service()))
            .collect();
        let mut report = findings
            .on_span(
                odd,
                format!("The trace has {} roots, though {} was sent in it.", roots.len(), count(requests)),
            )
            .expected(format!("{requests} of them"))
            .actual(names.join(", "))
            .fact("roots", roots.len() as i64)
            .fact("requests", requests as i64);
        for root in roots {
            report = report.reaches_span(root);
        }
    }
}

fn count(requests: usize) -> String {
    match requests {
        1 => "one request".to_owned(),
        more => format!("only {more} requests"),
    }
}
