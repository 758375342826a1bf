//! A span starts before the span that it is part of.

use spanwise_model::{Evidence, Level, SpanKind};

use crate::{Check, Family, Findings, Hop, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "child-outside-parent",
    family: Family::Time,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Inside one process no span starts before its parent. Ending after the parent is legal for work that goes on in the
background, so that is information, one finding for each kind of child. Spans of different processes have different clocks and
are never compared, and neither are requests that the caller gave up.

## Why it matters

Nothing can be part of what has not begun. Such a child has the wrong parent, or times of another clock; in the timeline of
the trace it stands outside of the bar that it belongs to.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "read settings" starts-before-parent
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "read settings"
```

## How to fix

- Rust: do not keep a span in a static or a pool; start it with the context of the request that it works for.
- Python: give `start_span(start_time=…)` a time of this request; a time measured at import belongs to no request.
- Go: do not reuse a `context.Context` of an earlier request for `tracer.Start`.
- Node: pass `startTime` as an hrtime of `performance.timeOrigin`, not as one of another process or of the browser.
- Java: use one clock: `setStartTimestamp` with `System.currentTimeMillis()` mixes with the agent's finer one.

## References

- OpenTelemetry, Tracing API, section "Span": start and end of spans, and their parents:
  <https://opentelemetry.io/docs/specs/otel/trace/api/#span>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut late: Ordered<_, (Node<'_>, i64)> = Ordered::default();
    for node in index.nodes() {
        let Some(parent) = node.parent().filter(|parent| are_comparable(node, *parent)) else { continue };
        findings.looked();
        if starts_before(node, parent) {
            findings
                .on_span(node, "The span starts before its parent, which is a span of the same process.")
                .expected("a start at or after the parent's")
                .actual("a start before the parent's")
                .fact("parent_id", parent.span_id.to_string());
        } else if node.end > parent.end && !given_up(node) {
            let names = (node.span().name.as_str(), parent.span().name.as_str());
            let kind = (index.apart(node), node.service(), names);
            late.entry(kind).or_insert((node, 0)).1 += 1;
        }
    }
    for (node, count) in late.into_values() {
        findings
            .on_span(node, "The span ends after its parent, which is right only for work in the background.")
            .level(Level::Information)
            .expected("an end at or before the parent's")
            .actual("an end after the parent's")
            .fact("spans", count);
    }
}

/// Whether two spans have one clock and times that can be. What arrived over the network may have started by another.
fn are_comparable(node: Node<'_>, parent: Node<'_>) -> bool {
    let is_sound = |node: Node<'_>| node.start != 0 && node.end >= node.start;
    let arrived = matches!(node.kind, SpanKind::Server | SpanKind::Consumer);
    is_sound(node) && is_sound(parent) && !arrived && node.same_process(parent) == Some(true)
}

/// Clocks of milli- or microseconds round down: the parent's start is read as coarsely as the child's.
fn starts_before(node: Node<'_>, parent: Node<'_>) -> bool {
    let resolution =
        [1_000_000, 1_000].into_iter().find(|unit| node.start.is_multiple_of(*unit)).unwrap_or(1);
    node.start < parent.start - parent.start % resolution
}

/// Whether the request was broken off, so that its spans end in any order.
fn given_up(node: Node<'_>) -> bool {
    node.serving().and_then(Node::came_by).is_some_and(Hop::is_canceled)
}
