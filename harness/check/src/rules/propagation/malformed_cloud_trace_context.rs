//! A service sent an `X-Cloud-Trace-Context` that is not in the form of its format.

use spanwise_model::{ContextFormat, Evidence, Level};

use crate::headers::report_malformed;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "malformed-cloud-trace-context",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &["trace-split", "context-misread", "parent-not-exported", "wrong-remote-parent", "stray-span"],
    explanation: r#"
## What it checks

What services send as `X-Cloud-Trace-Context` has the form `TRACE_ID/SPAN_ID;o=OPTION`: 32 hexadecimal digits, a decimal
number below 2^64, and an option that is 0 or 1 or left out. Zero ids, and `o=3` or `o=2` (all W3C flags copied, the
random one too), are warnings.

## Why it matters

Receivers differ in what they make of a malformed header: some ignore it, some read half of it, one of them fails the
request. Where it is ignored the trace ends.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c x-cloud-trace-context: "{T1}/{S3:d};o=true"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c x-cloud-trace-context: T1/S3;o=1
```

## How to fix

- Rust: `format!("{trace_id}/{};o={}", u64::from_be_bytes(span_id.to_bytes()), u8::from(flags.is_sampled()))`.
- Python: use `CloudTraceFormatPropagator`.
- Go: use `propagator.CloudTraceFormatPropagator`, and keep other flags than the sampled one out of the context.
- Node: use `@google-cloud/opentelemetry-cloud-trace-propagator`, and inject only valid contexts.
- Java: use the `gcp` propagator.

## References

- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let form = r#"32 hexadecimal digits, "/", a decimal number, and ";o=0", ";o=1" or nothing"#;
    report_malformed(index, findings, ContextFormat::GcpTrace, form, defect);
}

/// What is wrong with a value, and how bad it is.
fn defect(value: &str) -> Option<(Level, &'static str)> {
    let violation = |why| Some((Level::Violation, why));
    let Some((trace, rest)) = value.split_once('/') else { return violation("it has no span id") };
    let (span, option) = match rest.split_once(';') {
        Some((span, option)) => (span, Some(option)),
        None => (rest, None),
    };
    if trace.len() != 32 || !trace.bytes().all(|b| b.is_ascii_hexdigit()) {
        return violation("its trace id is not 32 hexadecimal digits");
    }
    if span.is_empty() || !span.bytes().all(|b| b.is_ascii_digit()) {
        return violation("its span id is not a decimal number");
    }
    let Ok(span) = span.parse::<u64>() else { return violation("its span id is beyond 64 bits") };
    match option {
        None | Some("o=0" | "o=1") => {}
        Some("o=2" | "o=3") => {
            return Some((Level::Warning, "its option is a copy of all trace flags, the random one too"));
        }
        Some(_) => return violation("its option is neither 0 nor 1"),
    }
    if span == 0 || trace.bytes().all(|b| b == b'0') {
        return Some((Level::Warning, "its ids are zero: it was made of no span at all"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<Level>) {
        let value = value.replace('T', "d36a105d7002f0dee73c0dfb9553764a");
        assert_eq!(defect(&value).map(|(level, _)| level), expected, "{value}");
    }

    #[test]
    fn the_form_is_that_of_the_format() {
        for right in
            ["T/1;o=1", "T/1;o=0", "T/1", "T/18446744073709551615;o=1", "D36A105D7002F0DEE73C0DFB9553764A/1"]
        {
            check(right, None);
        }
        for wrong in [
            "T",
            "T/",
            "T/;o=1",
            "T/a7b5;o=1",
            "T/18446744073709551616",
            "T/1;o=10",
            "T/1;o=",
            "T/1;x",
            "",
            " T/1",
        ] {
            check(wrong, Some(Level::Violation));
        }
        for doubtful in ["T/0;o=1", "00000000000000000000000000000000/1;o=1", "T/1;o=3", "T/1;o=2"] {
            check(doubtful, Some(Level::Warning));
        }
    }
}
