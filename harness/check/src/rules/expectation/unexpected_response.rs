//! A request was answered otherwise than the suite expects.

use spanwise_model::Level;

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

The answer to each request is the one that its case expects: the HTTP status or the gRPC code, the body complete.

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
        let Some(expected) = &request.expected else { continue };
        findings.looked();
        if request.result == *expected {
            continue;
        }
        let service = &request.to.service;
        let entry = index.entry(at);
        // Whoever reads the log of a service that never answered looks in the wrong place.
        let who = match entry.is_some_and(|hop| hop.tap().answered_by_front) {
            true => format!("The front end before {service}"),
            false => service.to_string(),
        };
        let message = format!("{who} answered {} where the suite expects {expected}.", request.result);
        let report = findings.on_service(service, message).expected(expected).actual(&request.result);
        if let Some(hop) = entry {
            report.hop(hop);
        }
    }
}
