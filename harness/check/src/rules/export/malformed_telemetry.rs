//! Exported bytes cannot be read.

use spanwise_model::{Defect, DefectKind, Evidence, Level};

use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "malformed-telemetry",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[
        "value-cut-inside-character",
        "nothing-received",
        "parent-not-exported",
        "entry-without-server-span",
        "hop-without-server-span",
        "time-implausible",
        "kind-missing",
    ],
    explanation: r#"
## What it checks

Every exported payload can be read to its end. What cannot is said with its place; the rest of it is kept: of a damaged field the
span, of a damaged span the payload. Equal damage is one finding.

## Why it matters

Endpoints differ in what they make of such bytes: they drop the field, the span or the whole batch, and seldom tell. Spans
are missing then for reasons that no trace shows.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 id=S2
export:
  api-service otlp-http
defects:
  field api-service export=1 at=T1/S2 place="resource_spans[0].scope_spans[0].spans[0].name" "not UTF-8"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
export:
  api-service otlp-http
```

## How to fix

- Rust: build payloads with `opentelemetry-proto`; an exporter of your own must not write bytes as `String`.
- Python: pass text, not `bytes`, as label values; do not edit serialized messages.
- Go: make values valid with `strings.ToValidUTF8` before they become labels; protobuf refuses the whole batch else.
- Node: in OTLP JSON ids are hexadecimal digits, enums numbers and 64-bit integers strings; use the official exporter.
- Java: do not cut strings in the middle of a surrogate pair; use the official exporter.

## References

- OTLP, section "JSON Protobuf Encoding": <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
- Protocol Buffers, "Encoding": <https://protobuf.dev/programming-guides/encoding/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    if !index.observation.exports.is_empty() || index.has_any_span() {
        findings.looked();
    }
    let mut kinds: Ordered<_, (&Defect, i64)> = Ordered::default();
    // Texts that were cut are read; what is wrong with them is a rule of its own.
    let unread = |defect: &&Defect| defect.kind != DefectKind::Cut;
    for defect in index.observation.defects.iter().filter(unread) {
        let service = defect.source.as_ref().map(|source| &*source.service);
        let trace = defect.trace_id.filter(|_| index.is_capture());
        kinds.entry((trace, defect.kind, service, &*defect.detail)).or_insert((defect, 0)).1 += 1;
    }
    for ((_, kind, service, detail), (first, count)) in kinds {
        let (what, kept) = match kind {
            DefectKind::Payload => ("A payload", "what came before it was kept"),
            DefectKind::Span => ("A span", "the rest of its payload was kept"),
            DefectKind::Field | DefectKind::Cut => ("A field of a span", "the rest of the span was kept"),
        };
        let place = if first.place.is_empty() { String::new() } else { format!(" at {}", first.place) };
        let message = format!("{what} could not be read{place}: {detail}; {kept}.");
        let ids = first.trace_id.zip(first.span_id);
        let report = match (ids.and_then(|(trace, span)| index.find(trace, span)), first.trace_id) {
            (Some(node), _) if node.is_judged() => findings.on_span(node, message),
            (_, Some(trace)) => findings.on_trace(trace, message),
            _ => findings.on_whole(message),
        };
        let report = match service {
            Some(service) => report.service(service),
            None => report,
        };
        let report = report
            .expected("bytes that decode")
            .actual(detail)
            .fact("place", first.place.as_str())
            .fact("kept", kept)
            .fact("count", count);
        if let Some(export) = first.export {
            report.fact("export", export as i64 + 1);
        }
    }
}
