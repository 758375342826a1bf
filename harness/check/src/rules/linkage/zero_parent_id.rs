//! A root says that its parent is 0000000000000000 instead of none.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "zero-parent-id",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["several-roots"],
    explanation: r#"
## What it checks

A span without a parent leaves its parent id empty. Sixteen zeros are an invalid id, not the absence of one.

## Why it matters

A backend that takes the zeros for an id looks for a parent that cannot exist, and shows the root as an orphan.

## Bad

```trace
api-service SERVER "POST /greet" 200 parent=zero
```

## Good

```trace
api-service SERVER "POST /greet" 200
```

## How to fix

- Rust: leave `parent_span_id` empty when it is `SpanId::INVALID`.
- Python: `span.parent` is `None` for a root; write no id then.
- Go: write the parent only if `span.Parent().SpanID().IsValid()`.
- Node: `parentSpanId` is `undefined` for a root; do not fill it with zeros.
- Java: write the parent only if `span.getParentSpanContext().isValid()`.

## References

- OTLP, `trace.proto`, field `parent_span_id`: "If this is a root span, then this field must be empty":
  <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes().filter(|node| node.parent_span_id.is_none_or(|id| !id.is_valid())) {
        findings.looked();
        if node.parent_span_id.is_some() {
            findings
                .on_span(node, "This span has no parent, but says that its parent is 0000000000000000.")
                .expected("an empty parent id")
                .actual("0000000000000000");
        }
    }
}
