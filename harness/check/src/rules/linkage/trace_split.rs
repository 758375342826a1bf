//! One request became two traces.

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, SpanKind};

use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule, semconv};

pub(crate) static RULE: Rule = Rule {
    name: "trace-split",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["expected-span-missing", "client-span-as-root"],
    explanation: r#"
## What it checks

All spans of one request are in one trace. Where the wire was recorded, the call at which the trace broke is named. In a
capture without it, a root SERVER span is suspected (warning) that lies in time inside the one childless CLIENT span of
another service with the same method; inside a SERVER span that made no CLIENT span it is information.

## Why it matters

Two halves of a request under two trace ids cannot be found from one another: the slow call, or the failed one, is in
the half that nobody looks at.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
api-service CLIENT "backend_service.v1.BackendService/Greet" OK trace=T2 id=S3 during=S2
  backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T2-S3-01
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

- Rust: instrument the future that makes the call (`.instrument(span)`, `.with_context(cx)`); a spawned task starts without one.
- Python: run work with `contextvars.copy_context()` in threads and executors.
- Go: pass the request's `ctx` on; never `context.Background()` in a handler.
- Node: keep callbacks inside `context.with(...)`, and load the context manager first.
- Java: wrap executors with `Context.taskWrapping(...)`.

## References

- OpenTelemetry, Context: <https://opentelemetry.io/docs/specs/otel/context/>
- W3C Trace Context, section 4 (processing model): <https://www.w3.org/TR/trace-context/#processing-model>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    if index.has(Evidence::Wire) {
        split_on_the_wire(index, findings);
    } else {
        split_in_a_capture(index, findings);
    }
}

/// A call whose caller works in one trace and whose spans are in another.
fn split_on_the_wire(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops().filter(|hop| !hop.is_untraced()) {
        let Some(caller) = caller_span(hop) else {
            // It may have been made for any of the requests that were in flight.
            if hop.is_ambiguous() {
                findings.not_observed();
            }
            continue;
        };
        findings.looked();
        let called = hop.server().or(hop.unlinked());
        let other =
            [hop.sender(), called].into_iter().flatten().find(|node| node.trace_id != caller.trace_id);
        let Some(other) = other else { continue };
        let (from, to) = (hop.from().unwrap_or("?"), hop.to());
        let headers: Vec<String> =
            hop.context_headers().iter().map(|header| header.format.header().to_owned()).collect();
        let why = match (headers.is_empty(), hop.sender() == Some(other)) {
            (true, _) => "the call carried no trace context".to_owned(),
            (false, true) => format!("{from} itself began the second one before it called"),
            (false, false) => format!("{to} did not continue what {} said", headers.join(" and ")),
        };
        findings
            .on_hop(hop, format!("The request became two traces at the call from {from} to {to}: {why}."))
            .span(other)
            .expected(format!("trace {}", caller.trace_id))
            .actual(format!("trace {}", other.trace_id))
            .fact("header", headers.join(", "))
            .fact("from", from)
            .fact("to", to);
    }
}

/// What the caller was serving when it called, where that is known to be in the trace of the request.
fn caller_span(hop: Hop<'_>) -> Option<Node<'_>> {
    let inbound = hop.inbound()?;
    inbound.server().or(inbound.unlinked())
}

/// Root SERVER spans that most likely belong to a call of another service's trace.
fn split_in_a_capture(index: &Index<'_>, findings: &mut Findings<'_>) {
    let clients = index.nodes().filter(|node| node.kind == SpanKind::Client);
    let calling: HashSet<usize> = clients.filter_map(Node::serving).map(Node::at).collect();
    let mut waiting: Vec<Node<'_>> = index.nodes().filter(|node| may_wait(*node, &calling)).collect();
    waiting.sort_by_key(|node| node.start);
    for root in index.nodes().filter(|node| node.kind == SpanKind::Server && node.is_root()) {
        // Whose it is must be known, or it cannot be said that the call came from another service.
        if root.service().is_none() {
            findings.not_observed();
            continue;
        }
        findings.looked();
        let begun = waiting.partition_point(|node| node.start <= root.start);
        let around = waiting[begun.saturating_sub(NEAR)..begun].iter().copied().filter(|node| {
            let elsewhere = node.trace_id != root.trace_id && node.service() != root.service();
            elsewhere && root.start <= node.end && root.end <= node.end.saturating_add(LATE)
        });
        let (calls, servers): (Vec<_>, Vec<_>) = around.partition(|node| node.kind == SpanKind::Client);
        let calls: Vec<_> = calls.into_iter().filter(|call| may_have_called(*call, root)).collect();
        let (other, level) = match (calls.as_slice(), servers.as_slice()) {
            ([call], _) => (*call, Level::Warning),
            ([], [server]) => (*server, Level::Information),
            _ => continue,
        };
        let (from, to) = (other.service().unwrap_or("?"), root.service().unwrap_or("?"));
        findings
            .on_span(
                root,
                format!("This trace most likely belongs to a call from {from} to {to} in another trace."),
            )
            .level(level)
            .expected(format!("trace {}", other.trace_id))
            .actual(format!("trace {}", root.trace_id))
            .fact("from", from)
            .fact("to", to);
    }
}

/// How many spans that began before a root are tried as its caller.
const NEAR: usize = 256;

/// How much later than its caller's a SERVER span may end, in nanoseconds: some end when all is written and torn down.
const LATE: u64 = 100_000_000;

/// A CLIENT span without children, or a SERVER span that made no call: what may have led to a root elsewhere.
fn may_wait(node: Node<'_>, calling: &HashSet<usize>) -> bool {
    node.start != 0
        && node.service().is_some()
        && match node.kind {
            SpanKind::Client => node.children().next().is_none(),
            SpanKind::Server => !calling.contains(&node.at()),
            _ => false,
        }
}

/// Whether a call names the method that a root served and, over HTTP, its path; a gateway may have cut off the path's head.
fn may_have_called(call: Node<'_>, root: Node<'_>) -> bool {
    let paths = semconv::called_path(call.span()).zip(semconv::url_path(root.span()));
    let same_path = paths.is_none_or(|(called, served)| called.ends_with(served));
    method(call).is_some() && method(call) == method(root) && same_path
}

fn method(node: Node<'_>) -> Option<String> {
    semconv::rpc_method(&node).or_else(|| semconv::http_method(&node).map(str::to_owned))
}
