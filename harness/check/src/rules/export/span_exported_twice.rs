//! A span was exported again although it had been accepted.

use spanwise_model::{Evidence, ExportAnswer, Level};

use super::spans;
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-exported-twice",
    family: Family::Export,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Exports],
    explains: &[],
    explanation: r#"
## What it checks

No span comes in two requests of one protocol that were both accepted. One finding for each service. A service that exports by
two protocols sends each span twice on purpose.

## Why it matters

The same span is paid for twice, and counts twice in everything that is made from spans. Most often two processors are registered
with one exporter each, or an exporter repeats a batch because its timeout is shorter than the answer takes.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 id=S2
  api-service SERVER "POST /greet" 200 id=S2 export=2 copy
export:
  api-service otlp-grpc
  api-service otlp-grpc
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
export:
  api-service otlp-grpc
```

## How to fix

- Rust: add one `with_batch_exporter`; `init` twice makes two processors.
- Python: do not call `add_span_processor` beside auto-instrumentation, which has added one already.
- Go: pass one `WithBatcher`; raise `otlptracegrpc.WithTimeout` above what the endpoint takes.
- Node: set either `traceExporter` or `spanProcessors`, not both.
- Java: do not add an exporter in code beside the one of the agent.

## References

- OpenTelemetry, Tracing SDK, "Batching processor" and "Shutdown": <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>
- OTLP, section "Failures": <https://opentelemetry.io/docs/specs/otlp/#failures>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let exports = &index.observation.exports;
    let accepted = |node: Node<'_>| {
        let export = exports.get(node.export?)?;
        (export.answer == ExportAnswer::Accepted).then_some((node.export, export.protocol))
    };
    index.nodes().filter(|node| node.export.is_some()).for_each(|_| findings.looked());
    let mut twice: Ordered<Option<&str>, (i64, Node<'_>)> = Ordered::default();
    for (first, second) in index.duplicates().filter(|(_, second)| second.is_copy()) {
        let (Some((one, protocol)), Some((other, same))) = (accepted(first), accepted(second)) else {
            continue;
        };
        if one != other && protocol == same {
            twice.entry(second.service()).or_insert((0, second)).0 += 1;
        }
    }
    for (_, (count, first)) in twice {
        let (what, had) = (spans(count as usize), if count == 1 { "it had" } else { "they had" });
        let text = format!("{} exported {what} again after {had} been accepted.", first.shown_service());
        findings
            .on_span(first, text)
            .expected("one request that carries it")
            .actual("two accepted requests")
            .fact("spans", count);
    }
}
