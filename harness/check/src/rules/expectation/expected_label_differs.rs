//! A span that the suite expects is there, but its status or a label is another.

use spanwise_model::{Evidence, Level};

use crate::expected::{Mismatch, mismatches};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "expected-label-differs",
    family: Family::Expectation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

A span that a case expects, found by service, kind, name and place, has the status and the labels that the suite writes.
Values are typed: `5` is not `"5"`. `*` in a text stands for any characters, and `null` for a label that must not be there.

## Why it matters

Dashboards and alerts ask for labels by name and type. One that is renamed or becomes text breaks them, without an error
anywhere.

## Bad

```trace
driver CLIENT "POST /orders" 201
  web SERVER "POST /orders" 201 order.items="3"
expected:
  web SERVER "POST /orders" order.items=3
```

## Good

```trace
driver CLIENT "POST /orders" 201
  web SERVER "POST /orders" 201 order.items=3 order.id="o-17"
expected:
  web SERVER "POST /orders" status=UNSET order.items=3 order.id="o-*" !order.secret
```

## How to fix

- Rust: `span.set_attribute(KeyValue::new("order.items", 3))`; of `tracing`, declare the field and `record` a number.
- Python: `span.set_attribute("order.items", 3)`.
- Go: `span.SetAttributes(attribute.Int("order.items", 3))`.
- Node: `span.setAttribute('order.items', 3)`.
- Java: `span.setAttribute("order.items", 3)`.
- Any: where the span is right, correct `expect` in the suite file.

## References

- The suite file, keys `expect.spans`, `expect.http-spans` and `expect.grpc-spans` of the case.
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    if index.observation.settings.expected.is_empty() {
        return;
    }
    index.requests().for_each(|_| findings.looked());
    for mismatch in mismatches(index) {
        let Mismatch::Differs { node, part } = mismatch else { continue };
        let what = part.label.map_or("status".to_owned(), |label| format!("label {label}"));
        let message = format!(
            "The {} span \"{}\" has another {what} than the suite expects.",
            node.kind.as_str(),
            node.name
        );
        let report = findings.on_span(node, message).expected(part.expected).actual(part.actual);
        if let Some(label) = part.label {
            report.fact("label", label);
        }
    }
}
