//! A span names a parent that never arrived.

use std::cell::LazyCell;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Evidence, Level, Platform, SpanId, SpanKind, TraceId};

use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "parent-not-exported",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["expected-span-missing", "front-end-span-orphaned"],
    explanation: r#"
## What it checks

The parent that a span names arrived too, in the same trace. A parent that the driver sent is there; in a capture, the
caller of the first service may stay outside. A parent that the platform's front end announced is the platform's to keep: that of
its caller must be there instead.

## Why it matters

A trace viewer shows such a span without its place ("missing span id"): it cannot be said which call led to it, and how
long that call took. The parent was made but not exported, or was never a span at all.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
backend-service SERVER "backend_service.v1.BackendService/Greet" OK parent=?P1
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-P1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## How to fix

- Rust: keep the span that injects alive until its call ends, and flush the provider before the process exits.
- Python: create channels after `GrpcInstrumentorClient().instrument()`; call `provider.shutdown()` at exit.
- Go: end the client span on every path, errors too; defer `tp.Shutdown(ctx)`.
- Node: await `sdk.shutdown()` on SIGTERM.
- Java: leave `ParentBased` sampling on, so that a parent which is not sampled does not get sampled children.

## References

- OpenTelemetry, trace data model, field `parent_span_id`:
  <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto>
- Cloud Run, "Using distributed tracing": <https://cloud.google.com/run/docs/trace>
"#,
    check: Check::One(check),
};

/// The sender of a call of which it is not known who made it.
const CALLER: &str = "its caller";

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let foreign = sent_by_driver(index);
    let callers = LazyCell::new(|| -> HashSet<usize> {
        index.called_from_outside().into_iter().map(Node::at).collect()
    });
    // One parent that is missing is one finding, however many children it had.
    let mut missing: HashMap<(TraceId, SpanId), usize> = HashMap::default();
    let mut first: Vec<(Node<'_>, SpanId)> = Vec::new();
    for node in index.nodes() {
        // What the front end announces is a span of the platform, which no service exports: its caller's stands for it.
        let Some(parent) = node.due_parent().filter(|parent| parent.is_valid()) else { continue };
        let outside = || foreign.contains(&parent) || callers.contains(&node.at());
        // A parent of another trace is a finding of its own.
        if !node.misses_parent() || outside() || index.find_in_any_trace(parent).is_some() {
            findings.looked();
            continue;
        }
        // Without a name nobody can say whether it is the entry service.
        if index.is_capture() && node.service().is_none() && node.came_from_outside() {
            findings.not_observed();
            continue;
        }
        findings.looked();
        let children = missing.entry((node.trace_id, parent)).or_insert(0);
        *children += 1;
        if *children == 1 {
            first.push((node, parent));
        }
    }
    for (node, parent) in first {
        let hop =
            node.service().and_then(|service| index.hops_that_sent(service, node.trace_id, parent).next());
        let remote = node.parent_is_remote.unwrap_or(node.kind == SpanKind::Server);
        let sender = match hop {
            Some(hop) => hop.from(),
            None => node.service().filter(|_| !remote),
        };
        let sender = sender.unwrap_or(CALLER);
        let cause = likeliest_cause(index, hop);
        let message = format!(
            "The parent {parent} of this span never arrived. {} should have exported it; {}.",
            if sender == CALLER { "Its caller" } else { sender },
            explain(cause)
        );
        let mut report = findings
            .on_span(node, message)
            .expected(format!("a span {parent} from {sender}"))
            .actual(actual(cause, index))
            .fact("parent_id", parent.to_string())
            .fact("sender", sender)
            .fact("children", missing[&(node.trace_id, parent)] as i64)
            .fact("likeliest_cause", cause);
        if let Some(hop) = hop {
            report = report.hop(hop);
            let named = |header: &crate::index::ContextHeader<'_>| {
                header.read.is_ok_and(|context| context.span_id == parent)
            };
            if let Some(header) = hop.context_headers().into_iter().find(named) {
                report.fact("header", header.format.header());
            }
        }
    }
}

/// What came in its place: nothing; and what else had not come, where a deadline ended the wait.
fn actual(cause: &str, index: &Index<'_>) -> String {
    let awaited = &index.observation.settings.awaited;
    match cause == "deadline-passed" && !awaited.is_empty() {
        true => format!("none; when the deadline passed, there was still to come {}", awaited.join(", ")),
        false => "none".to_owned(),
    }
}

/// Why the parent most likely did not arrive, as a fact for programs.
fn likeliest_cause(index: &Index<'_>, hop: Option<Hop<'_>>) -> &'static str {
    let settings = &index.observation.settings;
    let sampled = hop.and_then(Hop::sent_context).map(|context| context.sampled == Some(true));
    match (sampled, hop) {
        (Some(false), _) => "unsampled",
        _ if settings.deadline_passed => "deadline-passed",
        (_, None) if settings.platform == Platform::CloudRun => "kept-by-platform",
        _ => "never-arrived",
    }
}

fn explain(cause: &str) -> &'static str {
    match cause {
        "unsampled" => "its headers say that it was not sampled (flag 00), so its sender dropped it",
        "deadline-passed" => "it had not come when the deadline passed",
        "kept-by-platform" => "the platform most likely made it and kept it to itself",
        _ => "nothing of it came, so it was not ended, not exported, or lost",
    }
}

/// Span ids that the driver put into any header: its own spans, whatever trace they were recorded in.
fn sent_by_driver(index: &Index<'_>) -> HashSet<SpanId> {
    let headers = index.hops().filter(|hop| hop.is_from_driver()).flat_map(|hop| hop.context_headers());
    let sent = headers.filter_map(|header| header.read.ok()).map(|context| context.span_id);
    let contexts = index.requests().filter_map(|(_, request)| request.context.map(|c| c.span_id));
    sent.chain(contexts).collect()
}
