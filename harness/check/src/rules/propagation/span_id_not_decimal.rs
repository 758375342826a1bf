//! The span id of an `X-Cloud-Trace-Context` was written in hexadecimal digits.

use spanwise_model::{ContextFormat, Evidence, Level, SpanId, TraceId};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-id-not-decimal",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire, Evidence::Spans],
    explains: &[
        "malformed-cloud-trace-context",
        "contexts-disagree",
        "parent-not-exported",
        "trace-split",
        "context-misread",
        "wrong-remote-parent",
        "stray-span",
    ],
    explanation: r#"
## What it checks

The span id in `X-Cloud-Trace-Context` is the id of the span that sent it, as a decimal number. Here it is not, but read
as hexadecimal digits it is.

## Why it matters

Everywhere else a span id is sixteen hexadecimal digits, so it is copied as it is. Receivers then drop the header because
of its letters or, where the digits happen to be decimal ones, continue below a parent that does not exist.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c x-cloud-trace-context: "{T1}/{S3};o=1"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c x-cloud-trace-context: "{T1}/{S3:d};o=1"
```

## How to fix

- Rust: write `u64::from_be_bytes(span_id.to_bytes())`.
- Python: write `span_context.span_id`, which is a number; not `format_span_id` of it.
- Go: write `binary.BigEndian.Uint64(spanID[:])`.
- Node: write `BigInt("0x" + spanId).toString()`.
- Java: write `Long.toUnsignedString(Long.parseUnsignedLong(spanId, 16))`.

## References

- Cloud Trace, "Trace context" ("SPAN_ID is the decimal representation of the (unsigned) span ID"):
  <https://cloud.google.com/trace/docs/trace-context>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let name = ContextFormat::GcpTrace.header();
    for hop in index.inner_hops() {
        let Some((trace, span)) = hop.tap().request_header(name).and_then(parts) else { continue };
        findings.looked();
        let by = |id: Option<SpanId>| id.and_then(|id| index.find(trace, id));
        if by(span.parse().ok().map(SpanId::from_u64)).is_some() {
            continue;
        }
        let Some(sender) = by(format!("{span:0>16}").parse().ok()) else { continue };
        let from = hop.from().unwrap_or("an unknown caller");
        findings
            .on_hop(
                hop,
                format!(
                    "{from} wrote the span id in {name} in hexadecimal digits, where a decimal number is due."
                ),
            )
            .show_span(sender)
            .expected(sender.span_id.to_u64())
            .actual(span)
            .fact("header", name)
            .fact("span_id", sender.span_id.to_string());
    }
}

/// The trace and the text of the span id.
fn parts(value: &str) -> Option<(TraceId, &str)> {
    let (trace, rest) = value.split_once('/')?;
    Some((trace.parse().ok()?, rest.split(';').next()?))
}
