//! A service went on after SIGTERM until it was killed.

use spanwise_model::{Evidence, Level, ProcessEventKind};

use crate::lost::{events, processes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "sigterm-ignored",
    family: Family::Platform,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Process],
    explains: &["span-lost-on-shutdown", "nothing-received"],
    explanation: r#"
## What it checks

A service that is sent SIGTERM ends by itself before the grace period is over. How it ends does not matter.

## Why it matters

Cloud Run sends SIGTERM before it takes an instance away, and ten seconds later SIGKILL. What is still in the batch then is lost:
the last spans and log lines of every instance, those of the requests during a deployment among them.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
process:
  api-service spawned
  api-service terminated
  api-service killed
  api-service exited signal 9
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
process:
  api-service spawned
  api-service terminated
  api-service exited 0
```

## How to fix

- Rust: use `with_graceful_shutdown` with `tokio::signal::unix`, then shut the tracer provider down.
- Python: start the server with `exec` in the container, so that it gets the signal; handle it in workers too.
- Go: use `signal.NotifyContext(ctx, syscall.SIGTERM)` and `server.Shutdown`.
- Node: run `node` itself, not `npm start`; on SIGTERM call `server.close()` and `closeAllConnections()`.
- Java: use `exec java`, and `server.shutdown=graceful` with a timeout below ten seconds.

## References

- Cloud Run, "Container runtime contract": <https://cloud.google.com/run/docs/container-contract>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for source in processes(index) {
        let events = events(index, source);
        let at = |wanted: &ProcessEventKind| events.iter().position(|event| event.kind == *wanted);
        let Some(terminated) = at(&ProcessEventKind::Terminated) else { continue };
        findings.looked();
        let Some(killed) = at(&ProcessEventKind::Killed).filter(|killed| *killed > terminated) else {
            continue;
        };
        let grace = events[killed].time.saturating_sub(events[terminated].time);
        findings
            .on_service(
                &source.service,
                format!("{} was still running when the grace period after SIGTERM was over.", source.service),
            )
            .expected("an end by itself")
            .actual("killed")
            .fact("grace_ms", i64::try_from(grace / 1_000_000).unwrap_or(i64::MAX));
    }
}
