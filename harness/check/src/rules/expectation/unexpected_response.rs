//! A request was answered otherwise than the suite expects.

use std::fmt::Display;

use spanwise_model::{AnswerDifference, Level, RequestResult};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "unexpected-response",
    family: Family::Expectation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[],
    explains: &["expected-span-missing"],
    explanation: r#"
## What it checks

The answer to each request is the one that its case expects: the HTTP status or the gRPC code, the body complete, and of
its headers and its JSON what the case says. A command ends with the exit code that the case expects.

## Why it matters

A trace says little about a request that went wrong before the services did what the case is about. An answer that is
not the expected one is the first thing to look at.

## Bad

```trace
driver CLIENT "POST /greet" 500 expected=200
  api-service SERVER "POST /greet" 500 status=ERROR error.type="500"
```

## Good

```trace
driver CLIENT "POST /greet" 200 expected=200
  api-service SERVER "POST /greet" 200
```

## How to fix

- Rust, Python, Go, Node, Java: read the service's log of the request, or correct `expect` in the suite file. What
  the front end answered is not in that log: its settings decided (key `cloud-run`), or the service could not be reached.

## References

- The suite file, key `expect` of the case.
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for (at, request) in index.requests() {
        if request.expected.is_none() && request.differences.is_empty() {
            continue;
        }
        findings.looked();
        let service = &request.to.service;
        let entry = index.entry(at);
        let step = request.step.as_ref().map(|step| format!("In step {step}, ")).unwrap_or_default();
        // Whoever reads the log of a service that never answered looks in the wrong place.
        let who = match entry.is_some_and(|hop| hop.tap().answered_by_front) {
            true => format!("The front end before {service}"),
            false => service.to_string(),
        };
        let mut tell = |message: String, expected: &dyn Display, actual: &dyn Display| {
            let report = findings.on_service(service, message).expected(expected).actual(actual);
            if let Some(hop) = entry {
                report.hop(hop);
            }
        };
        match &request.expected {
            // What else is in an answer that is another one follows from that.
            Some(expected) if request.result != *expected => {
                let came = match (expected, &request.result) {
                    (RequestResult::Exit(_), RequestResult::None(why)) => format!("The command {why}"),
                    (RequestResult::Exit(_), code) => format!("The command ended with {code}"),
                    (_, other) => format!("{who} answered {other}"),
                };
                let message = format!("{step}{came} where the suite expects {expected}.");
                tell(message, expected, &actual(index, &request.result));
            }
            _ => {
                let whose = match request.result {
                    RequestResult::Exit(_) => "what the command wrote".to_owned(),
                    _ => format!("the answer of {service}"),
                };
                for AnswerDifference { part, expected, actual } in &request.differences {
                    let message = format!("{step}{part} in {whose} is not what the suite expects.");
                    tell(capitalized(&message), expected, actual);
                }
            }
        }
    }
}

/// What came; of a command, what it wrote last, too.
fn actual(index: &Index<'_>, result: &RequestResult) -> String {
    const SHOWN: usize = 5;
    let mut actual = match result {
        RequestResult::None(why) => why.clone(),
        other => other.to_string(),
    };
    if let RequestResult::Exit(_) | RequestResult::None(_) = result {
        let written = index.observation.logs.iter().filter(|record| record.source.is_driver());
        let lines: Vec<&str> = written.map(|record| record.line.as_str()).collect();
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            actual.push_str(": ");
            actual.push_str(line);
        }
    }
    actual
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
