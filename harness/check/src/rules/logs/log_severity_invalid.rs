//! The severity of a log line is none that Cloud Logging has.

use serde_json::Value;
use spanwise_model::{Evidence, Level};

use crate::log_lines::{LogLines, Mistakes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-severity-invalid",
    family: Family::Logs,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs],
    explains: &[],
    explanation: r#"
## What it checks

The field `severity` holds a name of `LogSeverity` (`DEFAULT`, `DEBUG`, `INFO`, `NOTICE`, `WARNING`, `ERROR`, `CRITICAL`, `ALERT`,
`EMERGENCY`; in any case, as the logging agents read it) or its number. A line without the field says nothing. One finding for
each service and value.

## Why it matters

Only these names are documented. `WARN`, `TRACE` or `FATAL` are understood in one place, become `DEFAULT` in another and
`ERROR` in a third: alerts fire for warnings, or stay silent for errors.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"WARN","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/spanId":"{S2}","logging.googleapis.com/trace_sampled":true}
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

- Rust: map `Level::WARN` to `WARNING` and `Level::TRACE` to `DEBUG` in the formatting layer.
- Python: `logging` has the right names; with structlog map `warn` and `exception`.
- Go: replace `slog.LevelKey` in `ReplaceAttr`: `WARN` becomes `WARNING`.
- Node: give pino a `formatters.level` that maps `trace`, `warn` and `fatal`.
- Java: map `WARN` and `TRACE` in the layout, or use the layout of Spring Cloud GCP.

## References

- Cloud Logging, `LogSeverity`: <https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#logseverity>
- Cloud Logging, "Structured logging", special fields: <https://cloud.google.com/logging/docs/structured-logging>
"#,
    check: Check::One(check),
};

/// The names of `google.logging.type.LogSeverity`; the number of each is a hundred times its place.
const NAMES: [&str; 9] =
    ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.structured(findings) {
        let Some(severity) = line.field("severity") else { continue };
        findings.looked();
        if !is_valid(severity) {
            mistakes.add(severity.as_str().map_or_else(|| severity.to_string(), str::to_owned), line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, severity| {
            format!("{service} wrote {lines} with the severity {severity}, which is no name of LogSeverity.")
        },
        |report, severity| {
            report.expected(NAMES.join(", ")).fact("severity", severity.as_str());
        },
    );
}

fn is_valid(severity: &Value) -> bool {
    let is_number = |number: u64| number.is_multiple_of(100) && number / 100 < NAMES.len() as u64;
    match severity {
        Value::String(text) => {
            let is_name = NAMES.iter().any(|name| text.trim().eq_ignore_ascii_case(name));
            is_name || text.parse().is_ok_and(is_number)
        }
        Value::Number(number) => number.as_u64().is_some_and(is_number),
        _ => false,
    }
}
