//! An id of the wrong length, of other characters than hexadecimal digits, or all zero.

use spanwise_model::{Evidence, IdField, IdProblem, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "invalid-id",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["parent-not-exported", "trace-split", "hop-without-server-span", "entry-without-server-span"],
    explanation: r#"
## What it checks

A trace id is 16 bytes, a span id 8, and neither is all zero. In the resource names of Cloud Trace v2 they are lower-case
hexadecimal digits (upper case is a warning), and the name ends with the span id. Base64 ids, as generic JSON encoders
write them, are read and noted.

## Why it matters

A backend refuses such a span or files it where nobody finds it; one bad id can take its whole batch along.

## Bad

```trace
api-service SERVER "POST /greet" 200 id=zero
  | malformed span unreadable "4a"
```

## Good

```trace
api-service SERVER "POST /greet" 200
```

## How to fix

- Rust: print ids with their `Display`, which keeps leading zeros; do not format the number.
- Python: use `format_trace_id` and `format_span_id`.
- Go: use `id.String()`.
- Node: pad with `padStart(16, "0")`; ids that went through a number have lost digits.
- Java: use `SpanId.fromLong`, which keeps leading zeros.

## References

- W3C Trace Context, sections 3.2.2.3 and 3.2.2.4: <https://www.w3.org/TR/trace-context/#trace-id>
- Cloud Trace v2, `Span.name`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        findings.looked();
        for malformed in &node.malformed_ids {
            // Zeros as a parent are a rule of their own.
            if (malformed.field, malformed.problem) == (IdField::Parent, IdProblem::Zero) {
                continue;
            }
            let (what, form) = field(malformed.field);
            findings
                .on_span(node, format!("The {what} of this span {}.", problem(malformed.problem)))
                .level(level(malformed.problem))
                .expected(form)
                .actual(&malformed.text)
                .fact("field", what)
                .fact("value", malformed.text.as_str());
        }
        let zero = [(IdField::Trace, node.trace_id.is_valid()), (IdField::Span, node.span_id.is_valid())];
        for (id, valid) in zero {
            if !valid && node.malformed_ids.is_empty() {
                let (what, form) = field(id);
                findings
                    .on_span(node, format!("The {what} of this span is all zero, which is no id."))
                    .expected(form)
                    .actual("zeros")
                    .fact("field", what);
            }
        }
    }
}

fn level(problem: IdProblem) -> Level {
    match problem {
        IdProblem::Unreadable | IdProblem::Zero | IdProblem::Disagrees => Level::Violation,
        IdProblem::UpperCase => Level::Warning,
        IdProblem::Base64 => Level::Information,
    }
}

fn field(field: IdField) -> (&'static str, &'static str) {
    match field {
        IdField::Trace => ("trace id", "16 bytes, 32 hexadecimal digits, not all zero"),
        IdField::Span => ("span id", "8 bytes, 16 hexadecimal digits, not all zero"),
        IdField::Parent => ("parent id", "8 bytes, 16 hexadecimal digits, or nothing"),
        IdField::Link => ("linked id", "a trace id and a span id"),
        IdField::ResourceName => ("resource name", "projects/P/traces/TRACE/spans/SPAN in lower-case digits"),
    }
}

fn problem(problem: IdProblem) -> &'static str {
    match problem {
        IdProblem::Unreadable => "is not an id: it has the wrong length or other characters than digits",
        IdProblem::Zero => "is all zero, which is no id",
        IdProblem::UpperCase => "has upper-case digits where lower case is demanded",
        IdProblem::Disagrees => "disagrees with the span id beside it",
        IdProblem::Base64 => "is written in base64 in place of hexadecimal digits",
    }
}
