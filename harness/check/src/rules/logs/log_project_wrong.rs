//! A log line names its trace in another project.

use spanwise_model::{Evidence, Level};

use crate::log_lines::{LogLines, Mistakes};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "log-project-wrong",
    family: Family::Logs,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Logs],
    explains: &[],
    explanation: r#"
## What it checks

Where `logging.googleapis.com/trace` names a project, it is the one that the service runs in. One finding for each service and
project.

## Why it matters

Cloud Logging looks for the trace in the project that the line names. With another one, such as that of the developer's machine
or a default in the code, the link from the line leads nowhere.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/my-project/traces/{T1}"}
settings:
  project="demo-project"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
logs:
  api-service: {"severity":"INFO","message":"greeted","logging.googleapis.com/trace":"projects/demo-project/traces/{T1}","logging.googleapis.com/spanId":"{S2}","logging.googleapis.com/trace_sampled":true}
settings:
  project="demo-project"
```

## How to fix

- Rust: read the project from `GOOGLE_CLOUD_PROJECT` or the metadata server, not from a constant.
- Python: use `google.auth.default()[1]`, or `GOOGLE_CLOUD_PROJECT`.
- Go: use `metadata.ProjectIDWithContext(ctx)` of `cloud.google.com/go/compute/metadata`.
- Node: use `await new GoogleAuth().getProjectId()`.
- Java: use `ServiceOptions.getDefaultProjectId()`.

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
        let Some(named) = line.trace().and_then(|trace| trace.project) else { continue };
        let Some(project) = index.observation.settings.project.as_deref() else {
            findings.not_observed();
            continue;
        };
        findings.looked();
        if named != project {
            mistakes.add((named.to_owned(), project), line);
        }
    }
    mistakes.report(
        findings,
        |service, lines, (named, _)| format!("{service} wrote {lines} naming a trace of project {named}."),
        |report, (named, project)| {
            report.expected(format!("project {project}")).fact("project", named.as_str());
        },
    );
}
