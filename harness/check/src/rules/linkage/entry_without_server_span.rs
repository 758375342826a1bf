//! A request was answered, other spans came, and the service it went to has no SERVER span.

use foldhash::HashMap;
use spanwise_model::{Evidence, Level, SpanKind, TraceId};

use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "entry-without-server-span",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["expected-span-missing", "hop-without-client-span", "several-roots", "parent-not-exported"],
    explanation: r#"
## What it checks

The service that a sampled request went to, and that answered it, has a SERVER span for it. Requests of which no span
came at all are left to other rules.

## Why it matters

Without it nobody can see that the request happened, how long it took and how it ended: the trace begins in the middle.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
    backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S2-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S2
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S2-01
```

## How to fix

- Rust: put the tracing layer around the whole router, so that it sees every request.
- Python: instrument the app, not only the client libraries: `FastAPIInstrumentor.instrument_app(app)`.
- Go: wrap the outermost handler with `otelhttp.NewHandler`, or the server with `otelgrpc.NewServerHandler`.
- Node: load the HTTP instrumentation before the framework.
- Java: use the agent, or the framework's telemetry filter.

## References

- OpenTelemetry, semantic conventions for HTTP server spans:
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span>
- OpenTelemetry, semantic conventions for RPC server spans: <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut orphans = None;
    for hop in index.hops().filter(|hop| hop.is_from_driver() && !hop.is_untraced()) {
        let sampled = hop.context().is_some_and(|context| context.sampled == Some(true));
        let has_spans = hop.request().is_some_and(|request| index.has_spans(request, None));
        if !sampled || !has_spans || !hop.is_answered_by_service() {
            continue;
        }
        if !index.sets_kinds(hop.to()) {
            findings.not_observed();
            continue;
        }
        findings.looked();
        if hop.server().or(hop.unlinked()).is_none() {
            let to = hop.to();
            let mut report = findings
                .on_hop(hop, format!("{to} answered the request, but has no SERVER span for it."))
                .expected(format!("a SERVER span of {to}"))
                .actual("none, though other spans of the request came");
            // Its children are left without the parent that is missing here.
            let trace = hop.context().map(|context| context.trace_id);
            let orphans = orphans.get_or_insert_with(|| local_orphans(index));
            for orphan in trace.and_then(|trace| orphans.get(&(to, trace))).into_iter().flatten() {
                report = report.reaches_span(*orphan);
            }
        }
    }
}

/// Spans whose parent never came although it is of their own process, by service and trace.
pub(super) fn local_orphans<'i>(index: &'i Index<'_>) -> HashMap<(&'i str, TraceId), Vec<Node<'i>>> {
    let mut orphans: HashMap<_, Vec<_>> = HashMap::default();
    for node in index.nodes().filter(|node| node.misses_parent()) {
        let is_remote = node.parent_is_remote.unwrap_or(node.kind == SpanKind::Server);
        if let Some(service) = node.service().filter(|_| !is_remote) {
            orphans.entry((service, node.trace_id)).or_default().push(node);
        }
    }
    orphans
}
