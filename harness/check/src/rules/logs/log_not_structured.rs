//! A log line is not one JSON object.

use spanwise_model::{Evidence, Level};

use crate::log_lines::{LogLines, Mistakes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-not-structured",
    family: Family::Logs,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs],
    explains: &[],
    explanation: r#"
## What it checks

Every line that a service writes while requests are under way, to standard output or standard error, is one JSON object. One
finding for each service, with the number of lines and the first of them. Where a service writes no JSON at all, the other
rules about logs are not observed for it.

## Why it matters

Cloud Run takes each line for an entry of its own. Text has no severity and no trace, and a stack trace over forty lines becomes
forty entries that nobody can put together again.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: INFO greeted Ada
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

- Rust: use a JSON layer of `tracing-subscriber`, and a panic hook that logs through it.
- Python: set a JSON formatter on the root logger, and make uvicorn or gunicorn use it for access and errors too.
- Go: use `slog.NewJSONHandler`, and recover panics in a middleware that logs them.
- Node: log with pino or winston in JSON; handle `uncaughtException` and `unhandledRejection` with the logger.
- Java: use a JSON layout for all appenders; it puts stack traces into one field.

## References

- Cloud Run, "Logging and viewing logs", structured logs: <https://cloud.google.com/run/docs/logging>
- Cloud Logging, "Structured logging": <https://cloud.google.com/logging/docs/structured-logging>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let lines = LogLines::of(index);
    let mut mistakes = Mistakes::new();
    for line in lines.all() {
        findings.looked();
        if line.is_text() {
            mistakes.add((), line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, ()| format!("{service} wrote {lines} of text among its logs."),
        |report, ()| {
            report.expected("one JSON object a line");
        },
    );
}
