//! Spans of one request are in the trace of another, or carry its marker.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Evidence, Level, TraceId};

use crate::{Check, Family, Findings, Hop, Index, Profile, Rule, semconv};

pub(crate) static RULE: Rule = Rule {
    name: "context-mixed-between-requests",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["several-roots", "remote-context-ignored", "trace-split"],
    explanation: r#"
## What it checks

Under concurrent load every span belongs to its own request: the user that the driver sent with a request (`user.id`) is
on no span of another one, and no trace holds two requests that were sent apart. Of requests that are alike and were answered
alike, none has more calls than most while another has fewer: that call was made in the context of the wrong request.

## Why it matters

Context that leaks from one request into another makes every trace a lie, and shows one user's data under another's name.
It only happens under load, so it is found in production or never.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1 marker="ada"
  api-service SERVER "POST /greet" 200 id=S2 user.id="ada"
driver CLIENT "POST /greet" 200 trace=T2 id=S3 marker="bob" during=S2
  api-service SERVER "POST /greet" 200 user.id="ada"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  driver -> api-service http/1.1 traceparent: T2-S3-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1 marker="ada"
  api-service SERVER "POST /greet" 200 id=S2 user.id="ada"
driver CLIENT "POST /greet" 200 trace=T2 id=S3 marker="bob" during=S2
  api-service SERVER "POST /greet" 200 user.id="bob"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  driver -> api-service http/1.1 traceparent: T2-S3-01
```

## How to fix

- Rust: never hold a context guard across an `.await`; use `.with_context(cx)` or `.instrument(span)`.
- Python: detach every token that `attach` gave; keep request data in `contextvars`, not in globals or thread locals.
- Go: keep request data in `ctx`, not in a struct shared between requests.
- Node: use `AsyncLocalStorageContextManager`; keep nothing about a request in module variables.
- Java: close every `Scope`; never leave one open in a pooled thread.

## References

- OpenTelemetry, Context, section "Attach Context": <https://opentelemetry.io/docs/specs/otel/context/#attach-context>
- OpenTelemetry, attribute `user.id`: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/user/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    other_markers(index, findings);
    shared_traces(index, findings);
    misplaced_calls(index, findings);
}

/// Spans that carry the marker of another request than their own.
fn other_markers(index: &Index<'_>, findings: &mut Findings<'_>) {
    let requests = &index.observation.requests;
    let markers: HashSet<&str> = requests.iter().filter_map(|request| request.marker.as_deref()).collect();
    if markers.len() < 2 {
        return;
    }
    // Only below the driver's own span it is certain which request a span belongs to.
    for node in index.nodes().filter(|node| node.top().is_driver()) {
        let Some((label, value)) = semconv::named(&node, semconv::USER) else { continue };
        let Some(own) = node.request().and_then(|at| requests[at].marker.as_deref()) else { continue };
        findings.looked();
        let Some(found) = value.as_str().filter(|found| *found != own && markers.contains(found)) else {
            continue;
        };
        findings
            .on_span(node, "This span belongs to one request and carries the user of another.")
            .expected(format!("{label}={own}"))
            .actual(format!("{label}={found}"))
            .fact("label", label);
    }
}

/// Requests that were sent apart and whose SERVER spans are in one trace.
fn shared_traces(index: &Index<'_>, findings: &mut Findings<'_>) {
    let requests = &index.observation.requests;
    let mut first: HashMap<TraceId, usize> = HashMap::default();
    for hop in index.hops().filter(|hop| hop.is_from_driver()) {
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        let Some(request) = hop.request() else { continue };
        let other = *first.entry(server.trace_id).or_insert(request);
        let sent_together = requests[other].trace_id == requests[request].trace_id;
        if requests.len() > 1 {
            findings.looked();
        }
        if other == request || sent_together {
            continue;
        }
        let message = format!("Two requests to {} that were sent apart are in one trace.", hop.to());
        findings
            .on_span(server, message)
            .hop(hop)
            .expected("a trace for each request")
            .actual(format!("trace {} for both", server.trace_id));
    }
}

/// Calls that stand in the context of one request while another, which is alike, lacks one.
fn misplaced_calls(index: &Index<'_>, findings: &mut Findings<'_>) {
    let requests = &index.observation.requests;
    let Some(first) = requests.first().filter(|_| requests.len() > 2) else { return };
    if requests.iter().any(|request| request.to != first.to || request.result != first.result) {
        return;
    }
    let mut edges: BTreeMap<(&str, &str), Vec<Vec<Hop<'_>>>> = BTreeMap::new();
    for hop in index.inner_hops().filter(|hop| !hop.is_untraced()) {
        let (Some(from), Some(request)) = (hop.from(), hop.request()) else { continue };
        edges.entry((from, hop.to())).or_insert_with(|| vec![Vec::new(); requests.len()])[request].push(hop);
    }
    for ((from, to), calls) in edges {
        findings.looked();
        let mut times: BTreeMap<usize, usize> = BTreeMap::new();
        calls.iter().for_each(|calls| *times.entry(calls.len()).or_default() += 1);
        let usual = times.iter().max_by_key(|(_, requests)| **requests).map_or(0, |(calls, _)| *calls);
        let Some(without) = calls.iter().position(|calls| calls.len() < usual) else { continue };
        let name = |at: usize| match &requests[at].marker {
            Some(marker) => format!("the request of {marker}"),
            None => format!("request {}", at + 1),
        };
        for (with, calls_of_one) in calls.iter().enumerate().filter(|(_, calls)| calls.len() > usual) {
            let Some(last) = calls_of_one.last() else { continue };
            let (more, fewer) = (calls_of_one.len(), calls[without].len());
            let message = format!(
                "{from} called {to} in the context of another request: {more} of its calls belong to {}, and {fewer} to {}.",
                name(with),
                name(without),
            );
            findings
                .on_hop(*last, message)
                .expected(format!("{usual} for each request"))
                .actual(format!("{more} for one, {fewer} for another"))
                .fact("calls", more as i64);
        }
    }
}
