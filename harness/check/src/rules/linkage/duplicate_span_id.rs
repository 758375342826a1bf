//! Two different spans of a trace share one id.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "duplicate-span-id",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[
        "parent-cycle",
        "several-roots",
        "wrong-remote-parent",
        "hop-without-client-span",
        "server-span-doubled",
    ],
    explanation: r#"
## What it checks

Within a trace every span has an id of its own. A span that is exported twice, unchanged, is left to another rule.

## Why it matters

What the backend makes of it is undefined: one of the two is lost, and children hang below the wrong one. It happens when
client and server share an id in the manner of Zipkin, or when a forked process repeats its random numbers.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "read" id=S3
    api-service INTERNAL "write" id=S3
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "read" id=S3
    api-service INTERNAL "write" id=S4
```

## How to fix

- Rust: keep the default `RandomIdGenerator`; do not build `SpanContext` by hand for new spans.
- Python: set up tracing after `fork` (gunicorn: in `post_fork`).
- Go: start child spans with `tracer.Start(ctx, …)` in place of copying a span context.
- Node: set up tracing in each worker of a cluster.
- Java: switch off "supportsJoin" of Brave, so that the server gets an id of its own.

## References

- OpenTelemetry, trace API, section SpanContext: <https://opentelemetry.io/docs/specs/otel/trace/api/#spancontext>
- Cloud Trace v2, `BatchWriteSpans`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    index.nodes().filter(|node| node.span_id.is_valid()).for_each(|_| findings.looked());
    // Whoever takes the id of the front end's span is another rule's question.
    let is_services = |(first, second): &(Node<'_>, Node<'_>)| second.is_judged() && !first.is_front_end();
    for (first, second) in index.duplicates().filter(is_services) {
        if second.is_copy() {
            continue;
        }
        findings
            .on_span(second, format!("Two different spans have the id {}.", second.span_id))
            .reaches_span(first)
            .expected("an id of its own")
            .actual(format!("the id of \"{}\" of {}", first.name, first.shown_service()))
            .fact("span_id", second.span_id.to_string());
    }
}
