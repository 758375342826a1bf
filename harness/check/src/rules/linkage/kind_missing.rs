//! A span at the border of a process does not say which side of a call it is.

use std::cell::LazyCell;

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, SpanKind, TraceId};

use super::hop_without_client_span::calls;
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "kind-missing",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[
        "expected-span-missing",
        "hop-without-client-span",
        "hop-without-server-span",
        "entry-without-server-span",
    ],
    explanation: r#"
## What it checks

Every span has a kind, and a span at the border of a process has the right one: whose id is in an outgoing header, it is
CLIENT or PRODUCER (or below one); whose parent is remote, it is SERVER or CONSUMER. An exporter that never sets kinds is
one finding, and rules about kinds are then not observed; so is one that has no word for INTERNAL.

## Why it matters

Backends find services, and the calls between them, by kind: without it there is no service map, no latency by endpoint,
no error rate of a dependency.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "call backend" id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "call backend"
      api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
        backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
```

## How to fix

- Rust: `tracer.span_builder(name).with_kind(SpanKind::Client)`; with `tracing`, the field `otel.kind = "client"`.
- Python: `tracer.start_span(name, kind=SpanKind.CLIENT)`.
- Go: `trace.WithSpanKind(trace.SpanKindClient)`.
- Node: `tracer.startSpan(name, { kind: SpanKind.CLIENT })`.
- Java: `setSpanKind(SpanKind.CLIENT)`; older Cloud Trace exporters drop the kind, send OTLP instead.
- Any: an exporter or a converter by way of Jaeger's or Zipkin's format loses INTERNAL; send OTLP from end to end.

## References

- OpenTelemetry, trace API, section SpanKind: <https://opentelemetry.io/docs/specs/otel/trace/api/#spankind>
- Cloud Trace v2, `SpanKind`: "Do NOT use as default":
  <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut without_kinds: Ordered<(Option<TraceId>, Option<&str>), i64> = Ordered::default();
    let mut without_internal: Ordered<_, Vec<Node<'_>>> = Ordered::default();
    let with_internal = LazyCell::new(|| -> HashSet<Option<&str>> {
        index.nodes().filter(|node| node.kind == SpanKind::Internal).map(Node::service).collect()
    });
    for node in index.nodes() {
        findings.looked();
        match (node.kind, node.service()) {
            (SpanKind::Unspecified, service) if node.has_unknown_kind() => {
                *without_kinds.entry((index.apart(node), service)).or_default() += 1;
            }
            (SpanKind::Unspecified, service) if !with_internal.contains(&service) => {
                without_internal.entry((index.apart(node), service)).or_default().push(node);
            }
            (SpanKind::Unspecified, _) => {
                findings.on_span(node, "This span has no kind.").expected("a kind").actual("UNSPECIFIED");
            }
            (SpanKind::Internal, service) => {
                if let Some((side, kinds)) = border(index, node, service) {
                    let mut report = findings
                        .on_span(node, format!("This span {side}, but its kind is INTERNAL."))
                        .expected(kinds)
                        .actual("INTERNAL");
                    // On the call by which it came nobody else has the kind that is due.
                    let calls = node.parent().into_iter().flat_map(Node::sent);
                    let named = service.zip(node.parent_span_id).into_iter();
                    let announced = named.flat_map(|(to, id)| index.hops_that_sent(to, node.trace_id, id));
                    for hop in calls.chain(announced).filter(|hop| service == Some(hop.to())) {
                        report = report.reaches_hop(hop);
                    }
                }
            }
            _ => {}
        }
    }
    for ((_, service), nodes) in without_internal {
        let exporter = service.unwrap_or("A service without a name");
        let message = format!("{exporter} exports spans without a kind, and none as INTERNAL.");
        findings
            .on_spans(&nodes, message)
            .expected("INTERNAL on spans inside a process, as OTLP has it")
            .actual("UNSPECIFIED");
    }
    for ((trace, service), spans) in without_kinds {
        let exporter = service.unwrap_or("A service without a name");
        let message = format!("{exporter} exports its spans without kinds.");
        let report = match trace {
            Some(trace) => findings.on_trace(trace, message),
            None => findings.on_whole(message),
        };
        let report = report.expected("a kind on every span").actual(format!("UNSPECIFIED on all {spans}"));
        if let Some(service) = service {
            report.service(service);
        }
    }
}

/// On which border of its process an INTERNAL span stands, and which kinds it could have there.
fn border(index: &Index<'_>, node: Node<'_>, service: Option<&str>) -> Option<(&'static str, &'static str)> {
    if node.sent().any(|hop| !hop.is_untraced()) && !calls(node) {
        return Some(("was sent as the caller in a call's headers", "CLIENT or PRODUCER"));
    }
    let parent = node.parent_span_id.filter(|parent| parent.is_valid())?;
    let was_sent = service.is_some_and(|s| index.hops_that_sent(s, node.trace_id, parent).next().is_some());
    // Two providers of one process have two resources: what the exporter says of the parent counts.
    let elsewhere = node.parent_is_remote != Some(false)
        && node.parent().is_some_and(|parent| parent.same_process(node) == Some(false));
    let remote = node.parent_is_remote == Some(true)
        && node.parent().is_none_or(|p| p.same_process(node) != Some(true));
    (was_sent || elsewhere || remote).then_some(("has its parent in another process", "SERVER or CONSUMER"))
}
