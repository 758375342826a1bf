//! A span is its own ancestor.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "parent-cycle",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["expected-span-missing", "hop-without-server-span", "wrong-remote-parent"],
    explanation: r#"
## What it checks

Going from a span to its parent, and on, never comes back to the span.

## Why it matters

Such spans have no root: a viewer shows them apart from the trace or not at all, and a program that walks up may never
end.

## Bad

```trace
api-service INTERNAL "read" id=S1 parent=S1
```

## Good

```trace
api-service INTERNAL "read" id=S1
  api-service INTERNAL "parse"
```

## How to fix

- Rust: take the parent from the context that was current before the span was started.
- Python: do not reuse a span context as both the span's own and its parent.
- Go: keep the `ctx` that `tracer.Start` returns apart from the one it was given.
- Node: give every span an id of its own when converting from another format.
- Java: check converters that share ids between client and server.

## References

- OpenTelemetry, overview, section Traces ("a directed acyclic graph of spans"):
  <https://opentelemetry.io/docs/specs/otel/overview/#traces>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let named = index.nodes().filter(|node| node.parent_span_id.is_some_and(|id| id.is_valid()));
    named.for_each(|_| findings.looked());
    for cycle in index.cycles() {
        let Some(first) = cycle.iter().copied().find(|node| node.is_judged()) else { continue };
        let message = match cycle.len() {
            1 => "This span names itself as its parent.".to_owned(),
            more => format!("This span is its own ancestor, over {more} spans."),
        };
        let names: Vec<String> = cycle.iter().take(8).map(|node| node.name.clone()).collect();
        findings
            .on_span(first, message)
            .expected("a root above it")
            .actual(names.join(", "))
            .fact("spans", cycle.len() as i64);
    }
}
