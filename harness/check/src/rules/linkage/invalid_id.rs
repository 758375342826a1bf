//! An id of the wrong length, of other characters than hexadecimal digits, or all zero.

use spanwise_model::{Evidence, IdField, IdProblem, Level, TraceId};

use super::entry_without_server_span::local_orphans;
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "invalid-id",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[
        "parent-not-exported",
        "trace-split",
        "hop-without-server-span",
        "entry-without-server-span",
        "log-span-unknown",
    ],
    explanation: r#"
## What it checks

A trace id is 16 bytes, a span id 8, and neither is all zero. In the resource names of Cloud Trace v2 they are lower-case
hexadecimal digits (upper case is a warning), and the name ends with the span id. Base64 ids, as generic JSON encoders
write them, are read and noted. What one instrumentation does to all its spans in a trace is one finding.

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

/// Spans by what is wrong with which id of theirs; the habit of an exporter is found once.
type Alike<'i> = Ordered<(TraceId, Option<&'i str>, &'i str, IdField, IdProblem), Vec<(Node<'i>, &'i str)>>;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut alike: Alike<'_> = Ordered::default();
    for node in index.nodes() {
        findings.looked();
        for (field, problem, text) in problems(node) {
            let key = (node.trace_id, node.service(), node.span().scope.name.as_str(), field, problem);
            alike.entry(key).or_default().push((node, text));
        }
    }
    // Children name the id as it was made, so their parent is missing.
    let orphans = if alike.is_empty() { Default::default() } else { local_orphans(index) };
    for ((trace, service, _, id, kind), spans) in alike {
        let (nodes, texts): (Vec<_>, Vec<_>) = spans.into_iter().unzip();
        let (what, form) = field(id);
        let mut report = findings
            .on_spans(&nodes, format!("The {what} of this span {}.", problem(kind)))
            .level(level(kind))
            .expected(form)
            .actual(texts[0])
            .fact("field", what)
            .fact("value", texts[0]);
        let lost = nodes.iter().any(|node| !node.span_id.is_valid());
        let left = service.filter(|_| lost).and_then(|service| orphans.get(&(service, trace)));
        for orphan in left.into_iter().flatten() {
            report = report.reaches_span(*orphan);
        }
    }
}

/// What is wrong with the ids of a span, and how they were written.
fn problems<'i>(node: Node<'i>) -> Vec<(IdField, IdProblem, &'i str)> {
    let malformed = node.span().malformed_ids.iter();
    let written: Vec<_> = malformed.map(|id| (id.field, id.problem, id.text.as_str())).collect();
    if written.is_empty() {
        let zero = [(IdField::Trace, node.trace_id.is_valid()), (IdField::Span, node.span_id.is_valid())];
        let zero = zero.into_iter().filter(|(_, valid)| !valid);
        return zero.map(|(field, _)| (field, IdProblem::Zero, "zeros")).collect();
    }
    // Zeros as a parent are a rule of their own.
    let is_own = |(field, problem, _): &(_, _, _)| (*field, *problem) == (IdField::Parent, IdProblem::Zero);
    written.into_iter().filter(|id| !is_own(id)).collect()
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
