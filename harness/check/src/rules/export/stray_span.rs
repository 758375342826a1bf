//! A span belongs to no request of the run.

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, SpanKind, TraceId};

use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "stray-span",
    family: Family::Export,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Every trace that came belongs to a request that was sent: by its trace id, by a call that a front saw, by a parent or by a
link. One finding for each service and name. Captures know no requests and are not judged.

## Why it matters

Such a trace is either work that lost its context on the way (a timer, a queue, a thread), and then it is missing from the
trace of its request; or it is noise that is paid for: health checks, background loops, the calls of the exporter itself.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
api-service INTERNAL "refresh cache" trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "refresh cache"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: carry the context into tasks: `tokio::spawn(work.with_context(Context::current()))`.
- Python: copy the context into threads with `contextvars.copy_context().run`; exclude probes with `OTEL_PYTHON_EXCLUDED_URLS`.
- Go: pass `ctx` on, with `context.WithoutCancel(ctx)` for work that outlives the request; filter probes with
  `otelhttp.WithFilter`.
- Node: bind callbacks with `context.bind(context.active(), work)`; exclude probes with `ignoreIncomingRequestHook`.
- Java: wrap executors with `Context.taskWrapping(executor)`; exclude probes with a sampler rule.

## References

- OpenTelemetry, Context: <https://opentelemetry.io/docs/specs/otel/context/>
- OpenTelemetry, Tracing API, section "Links between spans": <https://opentelemetry.io/docs/specs/otel/overview/#links-between-spans>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let leftovers = are_leftovers(index);
    if index.observation.requests.is_empty() && !leftovers {
        return;
    }
    let known = known_traces(index);
    let mut strays: Ordered<(Option<&str>, &str), (Node<'_>, i64)> = Ordered::default();
    let is_top = |node: &Node<'_>| node.parent().is_none_or(|parent| parent.is_driver());
    for node in index.nodes().filter(|node| node.trace_id.is_valid()).filter(is_top) {
        if known.contains(&node.trace_id) || is_followed(index, node) {
            findings.looked();
            continue;
        }
        // Without the exchanges it cannot be said that no request led to it.
        let arrived = !matches!(node.kind, SpanKind::Internal | SpanKind::Client | SpanKind::Producer);
        if arrived && !leftovers && !index.has(Evidence::Wire) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        strays.entry((node.service(), node.span().name.as_str())).or_insert((node, 0)).1 += 1;
    }
    for (node, count) in strays.into_values() {
        findings
            .on_span(node, "The span belongs to no request that was sent: it began a trace of its own.")
            .expected("a span in the trace of a request")
            .actual("a trace of its own")
            .fact("spans", count);
    }
}

/// Whether these spans are what a run could not give to any of its permutations: such an observation has no request and
/// no export request. A capture has the latter.
fn are_leftovers(index: &Index<'_>) -> bool {
    let observation = index.observation;
    observation.requests.is_empty() && observation.exports.is_empty() && index.has(Evidence::Exports)
}

/// Traces of which a tree belongs to a request, those that the driver chose among them.
fn known_traces(index: &Index<'_>) -> HashSet<TraceId> {
    let chosen = index.requests().flat_map(|(_, request)| {
        [Some(request.trace_id), request.context.map(|context| context.trace_id)].into_iter().flatten()
    });
    let seen = index.hops().flat_map(|hop| hop.context_headers()).filter_map(|header| header.read.ok());
    let announced = index.hops().filter_map(|hop| hop.tap().announced);
    let reached = index.nodes().filter(|node| node.request().is_some());
    let contexts = seen.chain(announced).map(|context| context.trace_id);
    chosen.chain(contexts).chain(reached.map(|node| node.trace_id)).collect()
}

/// Whether a span refers to another that came: by a link, or by a parent that is in another trace.
fn is_followed(index: &Index<'_>, node: Node<'_>) -> bool {
    let by_link = node.span().links.iter().any(|link| index.find(link.trace_id, link.span_id).is_some());
    by_link || node.parent_span_id.is_some_and(|parent| index.find_in_any_trace(parent).is_some())
}
