//! The trace is linked over an insecure channel and broken over a secure one.

use spanwise_model::{Evidence, Level};

use crate::across_platforms::are_compared;
use crate::{Check, Family, Group, GroupFindings, GroupMember, Hop, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "secure-channel-unlinked",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[
        "parent-not-exported",
        "trace-split",
        "remote-context-ignored",
        "unsupported-context-format",
        "entry-without-server-span",
        "hop-without-client-span",
        "hop-without-server-span",
        "wrong-remote-parent",
        "several-roots",
        "client-span-as-root",
        "context-mixed-between-requests",
        "permutations-differ",
        "expected-span-missing",
        "context-not-sent",
        "sampled-flag-flipped",
        "stray-span",
    ],
    explanation: r#"
## What it checks

Two permutations that differ in their channels alone are linked alike: what hangs together over plaintext hangs together
over TLS. It compares the permutations of a group, call by call.

## Why it matters

On a laptop services talk plaintext; on Cloud Run they talk TLS to port 443. An instrumentation that covers only one of
the two works until the day of the deployment, and then every trace ends at the first call.

## Bad

```trace
--- permutation demo/greet/channel-out=insecure
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
--- permutation demo/greet/channel-out=secure
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
backend-service SERVER "backend_service.v1.BackendService/Greet" OK trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2
```

## Good

```trace
--- permutation demo/greet/channel-out=insecure
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01
--- permutation demo/greet/channel-out=secure
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2 traceparent: T1-S3-01
```

## How to fix

- Rust: put the injecting layer around the channel, whatever its `Endpoint` and TLS settings.
- Python: instrument both channel types: `GrpcInstrumentorClient().instrument()` without a `channel_type`.
- Go: pass the stats handler next to the transport credentials, not instead of them.
- Node: instrument the client class, not one way to create its credentials.
- Java: add the client interceptor to the channel builder, not to one of its profiles.

## References

- OpenTelemetry, Propagators API: <https://opentelemetry.io/docs/specs/otel/context/api-propagators/>
- Cloud Run, "Container runtime contract" (TLS ends at the front end):
  <https://cloud.google.com/run/docs/container-contract>
"#,
    check: Check::Group(check),
};

/// Whether a member's calls from one service to another are linked over one kind of channel.
struct Edge<'g> {
    from: &'g str,
    to: &'g str,
    secure: bool,
    linked: usize,
    unlinked: Vec<Hop<'g>>,
}

fn check(group: &Group<'_>, findings: &mut GroupFindings<'_>) {
    let edges: Vec<Vec<Edge<'_>>> = group.members.iter().map(edges).collect();
    for (at, member) in group.members.iter().enumerate() {
        for edge in edges[at].iter().filter(|edge| edge.secure) {
            let insecure = edges.iter().zip(&group.members).find(|(others, other)| {
                let same =
                    |other: &&Edge<'_>| other.from == edge.from && other.to == edge.to && !other.secure;
                let links = |other: &Edge<'_>| other.unlinked.is_empty() && other.linked > 0;
                let is_measure = differ_in_channels_alone(member, other)
                    || breaks_off_the_platform(group, &edges, edge, member, other);
                others.iter().find(same).is_some_and(links) && is_measure
            });
            let Some((_, partner)) = insecure else { continue };
            findings.looked(at);
            let Some(first) = edge.unlinked.first() else { continue };
            let (from, to) = (edge.from, edge.to);
            let why = match (first.context_headers().is_empty(), first.server()) {
                (true, _) => "its calls carry no trace context".to_owned(),
                (false, Some(_)) => format!("the span that {from} announces never arrives"),
                (false, None) => format!("{to} does not continue the context that is sent"),
            };
            let mut report = findings
                .on_member(
                    at,
                    format!(
                        "The trace breaks between {from} and {to} over the secure channel, and holds over the insecure one: {why}."
                    ),
                )
                .service(from)
                .hop(*first)
                .expected(format!("{to} linked below {from}, as in {}", partner.name))
                .actual(format!("{} of {} calls not linked", edge.unlinked.len(), edge.unlinked.len() + edge.linked))
                .fact("from", from)
                .fact("to", to)
                .fact("partner", partner.name);
            let caller = first.sender().or_else(|| first.inbound().and_then(Hop::server));
            if let Some(caller) = caller.filter(|caller| caller.is_judged()) {
                report = report.show_span(caller);
            }
            for hop in &edge.unlinked[1..] {
                report = report.reaches_hop(*hop);
            }
        }
    }
}

/// The calls of a member between each two services and over each kind of channel.
fn edges<'g>(member: &'g GroupMember<'_>) -> Vec<Edge<'g>> {
    let mut edges: Vec<Edge<'g>> = Vec::new();
    for hop in member.index.hops().filter(|hop| !hop.is_untraced()) {
        let (Some(from), to, secure) = (hop.from(), hop.to(), hop.tap().tls) else { continue };
        let Some(linked) = is_linked(hop) else { continue };
        let same = |edge: &Edge<'_>| edge.from == from && edge.to == to && edge.secure == secure;
        let place = edges.iter().position(same).unwrap_or_else(|| {
            edges.push(Edge { from, to, secure, linked: 0, unlinked: Vec::new() });
            edges.len() - 1
        });
        match linked {
            true => edges[place].linked += 1,
            false => edges[place].unlinked.push(hop),
        }
    }
    edges
}

/// Whether a call is linked; `None` where nothing tells.
fn is_linked(hop: Hop<'_>) -> Option<bool> {
    let says_nothing = !hop.is_from_driver() && hop.context_headers().is_empty();
    if !hop.is_traced() {
        // No span tells of an unsampled request; that it travels on is seen on the wire alone.
        return (hop.is_of_unsampled() && !hop.is_from_driver()).then_some(!says_nothing);
    }
    if hop.server().is_some() && hop.sender().is_some() {
        return Some(true);
    }
    if is_lost(hop) {
        return None;
    }
    // A call that was given up before it was answered may never have reached a handler.
    (hop.is_answered_by_service() || says_nothing).then_some(false)
}

/// Whether a valid context went out as sampled, and of either end no span came at all: those spans were lost on their way
/// to the collector, which says nothing of the channel.
fn is_lost(hop: Hop<'_>) -> bool {
    // What a front end announces in place of a context that was not sent is no context of the caller's.
    let sent = hop.sent_context().is_some_and(|context| context.sampled == Some(true));
    let callee_is_silent = hop.server().is_none() && hop.unlinked().is_none();
    let caller_is_silent = !hop.is_from_driver() && hop.sender().is_none() && !hop.caller_has_spans();
    sent && hop.is_answered_by_service() && (callee_is_silent || caller_is_silent)
}

/// Whether all axes but those of channels have the same values.
fn differ_in_channels_alone(one: &GroupMember<'_>, other: &GroupMember<'_>) -> bool {
    is_same_but(one, other, |axis| axis.starts_with("channel"))
}

/// Whether a call that is broken on an emulated platform, where there are secure channels alone, is broken over the secure channel
/// without the platform, too: then the insecure one that is measured against may be without it.
fn breaks_off_the_platform(
    group: &Group<'_>,
    edges: &[Vec<Edge<'_>>],
    edge: &Edge<'_>,
    member: &GroupMember<'_>,
    other: &GroupMember<'_>,
) -> bool {
    let is_broken = |others: &Vec<Edge<'_>>| {
        let same = |one: &&Edge<'_>| one.from == edge.from && one.to == edge.to && one.secure;
        others.iter().find(same).is_some_and(|one| !one.unlinked.is_empty())
    };
    let is_counterpart = |one: &GroupMember<'_>| {
        let is_aside = |axis: &str| axis.starts_with("channel") || axis == "platform";
        are_compared(one, member) && is_same_but(member, one, is_aside)
    };
    is_counterpart(other)
        && edges.iter().zip(&group.members).any(|(others, one)| is_counterpart(one) && is_broken(others))
}

/// Whether all axes have the same values but for some.
fn is_same_but(one: &GroupMember<'_>, other: &GroupMember<'_>, is_aside: impl Fn(&str) -> bool) -> bool {
    let rest = |member: &GroupMember<'_>| -> Vec<(String, String)> {
        member.axes.iter().filter(|(axis, _)| !is_aside(axis)).cloned().collect()
    };
    rest(one) == rest(other)
}
