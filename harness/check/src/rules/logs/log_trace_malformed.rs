//! The trace or span id of a log line cannot be read.

use serde_json::Value;
use spanwise_model::{Evidence, Level, SpanId};

use crate::log_lines::{LogLines, Mistakes, SPAN, TRACE};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-trace-malformed",
    family: Family::Logs,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs],
    explains: &[],
    explanation: r#"
## What it checks

The field `logging.googleapis.com/trace` holds 32 hexadecimal digits in lower case, alone or behind `projects/PROJECT/traces/`,
and `logging.googleapis.com/spanId` holds 16; neither is all zero. One finding for each service, field and form.

## Why it matters

Cloud Logging compares these fields as texts. A value in another form is stored without a complaint and never leads to the
trace: the link is missing, although the field is there.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/{T1}"}
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/spanId":"{S2}","logging.googleapis.com/trace_sampled":true}
```

## How to fix

- Rust: write `span_context.trace_id()` and `span_id()` with `to_string()`; both are padded with zeros.
- Python: write `format(context.trace_id, "032x")` and `format(context.span_id, "016x")`: both are numbers.
- Go: write `sc.TraceID().String()` and `sc.SpanID().String()`; write nothing where `sc.IsValid()` is false.
- Node: write `spanContext.traceId` and `spanContext.spanId` as they are.
- Java: write `SpanContext.getTraceId()` and `getSpanId()`; write nothing where `isValid()` is false.

## References

- Cloud Logging, "Structured logging", special fields: <https://cloud.google.com/logging/docs/structured-logging>
- Cloud Trace, "Link log entries with traces": <https://cloud.google.com/trace/docs/trace-log-integration>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.structured(findings) {
        if let Some(value) = line.field(TRACE) {
            findings.looked();
            if line.trace().is_none() {
                mistakes.add((TRACE, form(value)), line);
            }
        }
        if let Some(value) = line.field(SPAN) {
            findings.looked();
            if !value.as_str().is_some_and(is_span_id) {
                mistakes.add((SPAN, form(value)), line);
            }
        }
    }
    mistakes.report(
        findings,
        |service, lines, (field, form)| format!("{service} wrote {lines} in which {field} is {form}."),
        |report, (field, _)| {
            let expected = if *field == TRACE {
                "32 hexadecimal digits in lower case, alone or as projects/PROJECT/traces/ID"
            } else {
                "16 hexadecimal digits in lower case"
            };
            report.expected(expected).fact("field", *field);
        },
    );
}

/// Whether a text is a span id as Cloud Trace shows it.
fn is_span_id(text: &str) -> bool {
    text.parse().is_ok_and(|id: SpanId| id.is_valid() && id.to_string() == text)
}

/// What is wrong with a value, in words that do not differ from line to line.
fn form(value: &Value) -> &'static str {
    let Some(text) = value.as_str() else { return "no text" };
    let id = text.rsplit('/').next().unwrap_or_default();
    if text.contains('/') && !(text.starts_with("projects/") && text.contains("/traces/")) {
        "in another form"
    } else if !id.is_empty() && id.bytes().all(|byte| byte == b'0') {
        "all zero"
    } else if id.bytes().any(|byte| byte.is_ascii_uppercase()) && id.bytes().all(|b| b.is_ascii_hexdigit()) {
        "in upper case"
    } else {
        "no id"
    }
}
