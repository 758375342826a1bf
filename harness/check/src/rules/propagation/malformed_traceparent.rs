//! A service sent a `traceparent` that is not in the form of the recommendation.

use spanwise_model::{ContextFormat, Evidence, Level};

use crate::headers::report_malformed;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "malformed-traceparent",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[
        "trace-split",
        "context-misread",
        "context-from-wrong-header",
        "parent-not-exported",
        "wrong-remote-parent",
        "stray-span",
    ],
    explanation: r#"
## What it checks

What services send as `traceparent` has the form `00-TRACE_ID-SPAN_ID-FLAGS` in lower-case hexadecimal digits: exactly 55
characters in version 00, no zero ids, never version ff. Flags beyond the sampled and the random bit are a warning; higher
versions are legal.

## Why it matters

A receiver must not read a malformed `traceparent`, and begins a new trace.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: "00-{T1:X}-{S3:X}-01"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: "00-{T1}-{S3}-01"
```

## How to fix

- Rust: use `TraceContextPropagator`; by hand, print ids with `{:032x}` and `{:016x}`.
- Python: use `TraceContextTextMapPropagator`.
- Go: use `propagation.TraceContext{}`.
- Node: use `W3CTraceContextPropagator`.
- Java: use `W3CTraceContextPropagator.getInstance()`.

## References

- W3C Trace Context, section 3.2: <https://www.w3.org/TR/trace-context/#traceparent-header>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let form = "00-TRACE_ID-SPAN_ID-FLAGS in lower-case hexadecimal digits, 55 characters";
    report_malformed(index, findings, ContextFormat::Tracecontext, form, defect);
}

/// What is wrong with a value, and how bad it is.
fn defect(value: &str) -> Option<(Level, String)> {
    if let Err(error) = ContextFormat::Tracecontext.parse(value) {
        let upper = value.bytes().any(|b| b.is_ascii_uppercase());
        let lower_is_right = upper && ContextFormat::Tracecontext.parse(&value.to_ascii_lowercase()).is_ok();
        let why =
            if lower_is_right { "its digits are in upper case".to_owned() } else { format!("it {error}") };
        return Some((Level::Violation, why));
    }
    let flags = value.get(53..55).and_then(|flags| u8::from_str_radix(flags, 16).ok())?;
    let beyond = value.starts_with("00") && flags > 3;
    beyond.then(|| (Level::Warning, format!("its flags {flags:02x} have bits that no version 00 defines")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<Level>) {
        let value = value.replace('T', "d36a105d7002f0dee73c0dfb9553764a").replace('S', "00000000000000aa");
        assert_eq!(defect(&value).map(|(level, _)| level), expected, "{value}");
    }

    #[test]
    fn the_form_is_that_of_the_recommendation() {
        for right in ["00-T-S-00", "00-T-S-01", "00-T-S-03", "01-T-S-ff", "cc-T-S-01-more"] {
            check(right, None);
        }
        for wrong in
            ["", "00-T-S", "00-T-S-01-x", "ff-T-S-01", "00-T-0000000000000000-01", "00-T-00000000000000AA-01"]
        {
            check(wrong, Some(Level::Violation));
        }
        check("00-T-S-ff", Some(Level::Warning));
        check("00-T-S-é1", Some(Level::Violation));
    }
}
