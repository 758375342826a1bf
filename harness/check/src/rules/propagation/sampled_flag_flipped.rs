//! The sampling decision changed inside of the services.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Evidence, Level, Sampling, TraceContext};

use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "sampled-flag-flipped",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire, Evidence::Spans],
    explains: &[
        "parent-not-exported",
        "hop-without-server-span",
        "entry-without-server-span",
        "trace-split",
        "client-span-as-root",
        "stray-span",
    ],
    explanation: r#"
## What it checks

The sampling decision that a request came with (bit 0 of the flags) goes out unchanged with every call made for it, a call
that was recorded goes out as sampled, and no spans come of a request that is not sampled. What the platform's front end decides
otherwise than the caller is the decision that a request came with. It is a violation where the suite says `sampling: parent-based`,
else information: a service may decide for itself.

## Why it matters

A flag that is dropped gives half a trace; one that is turned on gives, and bills, traces that nobody asked for.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-00
settings:
  sampling=parent-based
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
settings:
  sampling=parent-based
```

## How to fix

- Rust: `Sampler::ParentBased(Box::new(Sampler::AlwaysOn))`; inject from the current context.
- Python: `OTEL_TRACES_SAMPLER=parentbased_always_on`.
- Go: `sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample()))`.
- Node: `new ParentBasedSampler({ root: new AlwaysOnSampler() })`.
- Java: `otel.traces.sampler=parentbased_always_on`.

## References

- W3C Trace Context, section 3.2.2.5.1 (sampled flag): <https://www.w3.org/TR/trace-context/#sampled-flag>
- OpenTelemetry, trace SDK, section ParentBased: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#parentbased>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let level = match index.observation.settings.sampling {
        Some(Sampling::ParentBased) => Level::Violation,
        None => Level::Information,
    };
    let flipped = flipped_on_the_wire(index, findings, level);
    recorded_unsampled(index, findings, level, &flipped);
}

/// Calls that carry another decision than the request they were made for; returns those requests.
fn flipped_on_the_wire(index: &Index<'_>, findings: &mut Findings<'_>, level: Level) -> HashSet<usize> {
    let mut flipped = HashSet::default();
    for hop in index.inner_hops() {
        let (Some(inbound), Some(went)) = (hop.inbound(), hop.tap().context()) else { continue };
        let Some(came) = inbound.context() else {
            began_and_dropped(hop, went, findings, level);
            continue;
        };
        // A front end may leave the decision to the service.
        let is_open = inbound.tap().announced.is_some() && came.sampled.is_none();
        if came.trace_id != went.trace_id || is_open {
            continue;
        }
        findings.looked();
        let (came, went) = (came.sampled == Some(true), went.sampled == Some(true));
        if came == went {
            continue;
        }
        flipped.extend(hop.request());
        let name = |sampled| if sampled { "sampled" } else { "not sampled" };
        let from = hop.from().unwrap_or("an unknown caller");
        let message = format!("{from} received a request as {} and called on as {}.", name(came), name(went));
        findings
            .on_hop(hop, message)
            .level(level)
            .reaches_hop(inbound)
            .expected(name(came))
            .actual(name(went))
            .fact("received", came)
            .fact("sent", went);
    }
    flipped
}

/// A request that came without a context: whoever recorded it decided that it is sampled, and must say so to others.
fn began_and_dropped(hop: Hop<'_>, went: TraceContext, findings: &mut Findings<'_>, level: Level) {
    let Some(sender) = hop.sender().filter(|sender| sender.is_judged()) else { return };
    findings.looked();
    if went.sampled != Some(false) {
        return;
    }
    let from = sender.service().unwrap_or("an unknown caller");
    findings
        .on_hop(hop, format!("{from} recorded this call and sent it on as not sampled."))
        .level(level)
        .expected("sampled")
        .actual("not sampled")
        .fact("sent", false);
}

/// Requests that were sent unsampled and of which spans came all the same.
fn recorded_unsampled(
    index: &Index<'_>,
    findings: &mut Findings<'_>,
    level: Level,
    flipped: &HashSet<usize>,
) {
    // Whatever a front end decided otherwise on the way, the services need not answer for.
    let turned_on = |hop: &Hop<'_>| hop.tap().announced.is_some_and(|context| context.sampled != Some(false));
    let turned_on: HashSet<usize> = index.hops().filter(turned_on).filter_map(Hop::request).collect();
    let is_unsampled = |at| index.received(at).is_some_and(|context| context.sampled != Some(true));
    let requests = || index.requests().filter(|(at, _)| is_unsampled(*at) && !turned_on.contains(at));
    let by_trace: HashMap<_, _> = requests().filter_map(|(at, r)| Some((r.context?.trace_id, at))).collect();
    let mut recorded: BTreeMap<usize, Vec<Node<'_>>> = BTreeMap::new();
    requests().for_each(|(at, _)| {
        findings.looked();
        recorded.insert(at, Vec::new());
    });
    for node in index.nodes() {
        let request = node.request().or_else(|| by_trace.get(&node.trace_id).copied());
        if let Some(nodes) = request.and_then(|request| recorded.get_mut(&request)) {
            nodes.push(node);
        }
    }
    for (request, nodes) in recorded {
        // The topmost span, whatever order they came in.
        let first =
            nodes.iter().min_by_key(|node| (node.parent().is_some_and(|up| up.is_judged()), node.start));
        let Some(&first) = first.filter(|_| !flipped.contains(&request)) else { continue };
        let entry = index.entry(request);
        // An option that is not plain 0 or 1, or is missing, was misread: another rule says so.
        let plain = entry.is_none_or(|hop| {
            hop.arrived_headers()
                .first()
                .is_none_or(|h| h.value.split_once(";o=").map_or(!h.value.contains('/'), |(_, o)| o == "0"))
        });
        if !plain {
            continue;
        }
        let sent = index.observation.requests[request].context.map(|context| context.trace_id);
        let message = match first.service() {
            Some(service) if sent != Some(first.trace_id) => format!(
                "The request was not sampled by its caller, and {service} recorded it all the same, in a trace of its own."
            ),
            _ => "The request was not sampled by its caller, and spans of it came all the same.".to_owned(),
        };
        let report = findings.on_span(first, message);
        let report = match entry {
            Some(hop) => report.hop(hop),
            None => report,
        };
        report
            .level(level)
            .expected("no span")
            .actual(format!("{} of them", nodes.len()))
            .fact("spans", nodes.len() as i64);
    }
}
