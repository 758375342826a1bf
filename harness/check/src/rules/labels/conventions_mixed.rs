//! Labels of two generations of the conventions stand side by side, and do not say the same.

use std::collections::BTreeMap;

use spanwise_model::{Evidence, GrpcCode, Level, SpanKind, Value};

use super::{Alike, on_spans, requests, service};
use crate::conventions;
use crate::semconv::Protocol;
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "conventions-mixed",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["deprecated-label"],
    explanation: r#"
## What it checks

Where a span says a thing under its old and under its new name, both values agree; and where an instrumentation says
things twice, it does so for all of the main ones. Services that use different generations for one protocol are reported
as information. New HTTP names beside old RPC names are no mixture: each protocol moves on its own.

## Why it matters

During a migration (`http/dup`) both names may stand side by side. If they disagree, the answer to a question depends on
which name the query asks for, and nobody notices.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 http.status_code=201
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
```

## How to fix

- Rust: set one generation; a label that a hook adds under its old name overrides nothing.
- Python: set `OTEL_SEMCONV_STABILITY_OPT_IN` to the same value for all instrumentations of a process.
- Go: use one `semconv` package version in hand-written spans; leave protocol labels to `otelhttp` and `otelgrpc`.
- Node: update all `@opentelemetry/instrumentation-*` packages together, so that they emit one generation.
- Java: drop old names from custom `AttributesExtractor`s; the agent sets the new ones.

## References

- Semantic conventions for HTTP spans, note on `OTEL_SEMCONV_STABILITY_OPT_IN` (`http`, `http/dup`):
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
- Semantic conventions for RPC spans, the same (`rpc`, `rpc/dup`): <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
"#,
    check: Check::One(check),
};

/// The main concepts of a protocol, the kind of span that has them where not both have, old name and new: who says one of
/// them twice, says all of them twice.
const MAIN: [(Protocol, Option<SpanKind>, &str, &str); 7] = [
    (Protocol::Http, None, "http.method", "http.request.method"),
    (Protocol::Http, None, "http.status_code", "http.response.status_code"),
    (Protocol::Http, Some(SpanKind::Server), "http.scheme", "url.scheme"),
    (Protocol::Http, Some(SpanKind::Server), "http.target", "url.path"),
    (Protocol::Http, Some(SpanKind::Client), "http.url", "url.full"),
    (Protocol::Grpc, None, "rpc.system", "rpc.system.name"),
    (Protocol::Grpc, None, "rpc.grpc.status_code", "rpc.response.status_code"),
];

/// What a span has of a concept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Has {
    Old,
    New,
    Both,
}

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut differing: Alike<'_, (Option<&str>, &str, &str)> = Alike::default();
    let mut partial: Alike<'_, (Option<&str>, &str, &str)> = Alike::default();
    let mut generations: BTreeMap<(Protocol, Has), Ordered<&str, Node<'_>>> = BTreeMap::new();
    for (node, protocol) in requests(index, findings) {
        findings.looked();
        for (old, new) in disagreeing(node) {
            differing.entry((index.apart(node), (node.service(), old, new))).or_default().push(node);
        }
        let of_span = MAIN
            .iter()
            .filter(|(spoken, kind, ..)| *spoken == protocol && kind.is_none_or(|kind| kind == node.kind));
        let main: Vec<_> =
            of_span.filter_map(|(.., old, new)| Some((has(node, old, new)?, *old, *new))).collect();
        let says_twice = main.iter().any(|(has, ..)| *has == Has::Both);
        let half = main.iter().find(|(has, ..)| *has == Has::Old);
        if let (true, Some((_, old, new))) = (says_twice, half) {
            partial.entry((index.apart(node), (node.service(), *old, *new))).or_default().push(node);
        }
        let one_generation = main.first().map(|(first, ..)| *first);
        let generation = one_generation.filter(|first| main.iter().all(|(has, ..)| has == first));
        if let (Some(generation @ (Has::Old | Has::New)), Some(name)) = (generation, node.service()) {
            generations.entry((protocol, generation)).or_default().entry(name).or_insert(node);
        }
    }
    for ((_, (_, old, new)), nodes) in differing {
        let value = |key: &str| nodes[0].attribute(key).map(Value::to_string).unwrap_or_default();
        let (old_value, new_value) = (value(old), value(new));
        let service = service(nodes[0]);
        let message =
            format!("{service} says {old_value} in {old} and {new_value} in {new}, which mean the same.");
        on_spans(findings, &nodes, message)
            .expected(format!("{new} alone"))
            .actual(format!("{old}={old_value}, {new}={new_value}"))
            .fact("label", old)
            .fact("renamed_to", new);
    }
    for ((_, (_, old, new)), nodes) in partial {
        let service = service(nodes[0]);
        let message = format!(
            "{service} says other things by their old and their new names, but has {old} without {new}."
        );
        on_spans(findings, &nodes, message)
            .expected(format!("{new} beside {old}, or no old name at all"))
            .actual(format!("{old} alone"))
            .fact("label", old)
            .fact("renamed_to", new);
    }
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let of = |generation| generations.get(&(protocol, generation));
        if let (Some(old), Some(new)) = (of(Has::Old), of(Has::New)) {
            across_services(findings, protocol, old, new);
        }
    }
}

/// Two services that are a generation apart; a service that uses both by itself is another matter.
fn across_services(
    findings: &mut Findings<'_>,
    protocol: Protocol,
    old: &Ordered<&str, Node<'_>>,
    new: &Ordered<&str, Node<'_>>,
) {
    let Some(newer) = new.keys().find(|name| !old.contains_key(*name)) else { return };
    let words = if protocol == Protocol::Http { "HTTP" } else { "gRPC" };
    for (name, node) in old.iter().filter(|(name, _)| !new.contains_key(*name)) {
        let message = format!(
            "{name} names the labels of {words} as older conventions did, {newer} as current ones do."
        );
        findings
            .on_span(*node, message)
            .level(Level::Information)
            .expected("one generation of names in all services")
            .actual(format!("old names in {name}, new ones in {newer}"));
    }
}

fn has(node: Node<'_>, old: &str, new: &str) -> Option<Has> {
    match (node.attribute(old).is_some(), node.attribute(new).is_some()) {
        (true, true) => Some(Has::Both),
        (true, false) => Some(Has::Old),
        (false, true) => Some(Has::New),
        (false, false) => None,
    }
}

/// Labels whose old and new names both stand on a span, with different values.
fn disagreeing<'i>(node: Node<'i>) -> Vec<(&'i str, &'i str)> {
    let own = node.labels().take(node.attributes.len());
    let pairs = own.filter_map(|(_, value, label)| {
        let label = label.filter(|label| !label.is_template)?;
        let new: &str = match &label.state {
            conventions::State::Current => return None,
            // The name a server was configured with may be another than the one it was called by.
            // Of the transport the values got new names too: ip_tcp is tcp.
            conventions::State::RenamedTo(new)
                if !matches!(label.key.as_str(), "http.server_name" | "net.transport") =>
            {
                new
            }
            // On servers the old name is the next hop's, the new one that of the client behind all proxies.
            conventions::State::BySide { client, .. } if node.kind == SpanKind::Client => client,
            _ if matches!(label.key.as_str(), "http.target" | "rpc.grpc.status_code") => {
                label.successors(node.kind).first()?
            }
            _ => return None,
        };
        let differs = !agree(&label.key, value, node.span().attribute(new)?);
        differs.then_some((label.key.as_str(), new))
    });
    let next = ("rpc.status_code", "rpc.response.status_code");
    let [here, there] = [next.0, next.1].map(|key| node.attribute(key));
    let next = here.zip(there).filter(|(here, there)| !agree(next.0, here, there)).map(|_| next);
    pairs.chain(next).collect()
}

/// Whether two values say the same, each in the form of its name.
fn agree(old_key: &str, old: &Value, new: &Value) -> bool {
    if matches!(old, Value::Scrubbed(_)) || matches!(new, Value::Scrubbed(_)) {
        return true;
    }
    let (old_text, new_text) = (old.to_string(), new.to_string());
    match old_key {
        "http.target" => old_text.split(['?', '#']).next() == Some(new_text.as_str()),
        "rpc.grpc.status_code" => {
            let code = old_text.parse().ok().and_then(GrpcCode::from_number);
            code.is_none_or(|code| code.as_str() == new_text)
        }
        _ => old_text.eq_ignore_ascii_case(&new_text),
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn one_span() {
        for (text, expected) in [
            (
                r#"api SERVER "POST /a" 200 http.method="POST" http.status_code=200 http.scheme="http" http.target="/a?x""#,
                0,
            ),
            (
                r#"api SERVER "POST /a" 200 http.method="GET" http.status_code=200 http.scheme="http" http.target="/a""#,
                1,
            ),
            (r#"api SERVER "POST /a" 200 http.method="POST" http.target="/b""#, 1),
            (r#"api SERVER "a.B/C" UNAVAILABLE rpc.system="grpc" rpc.grpc.status_code=14"#, 0),
            (r#"api SERVER "a.B/C" UNAVAILABLE rpc.system="grpc" rpc.grpc.status_code=0"#, 1),
            (r#"api SERVER "a.B/C" OK rpc.status_code="ABORTED""#, 1),
            // A part of a duplicate set.
            (r#"api SERVER "POST /a" http.method="POST" http.status_code=200"#, 1),
            (r#"api SERVER "POST /a" 200 http.method="POST""#, 0),
            (r#"api SERVER "POST /a" 200 http.method="POST" http.url="http://h/a""#, 0),
            (r#"api CLIENT "POST" 200 http.method="POST" http.target="/a" http.scheme="http""#, 0),
            (r#"api CLIENT "POST" 200 !url.full http.method="POST" http.url="http://h/a""#, 1),
            (r#"api SERVER "POST /a" 200 net.transport="ip_tcp" network.transport="tcp""#, 0),
            // Old HTTP labels on a gRPC span.
            (r#"api SERVER "a.B/C" OK http.flavor="2""#, 0),
        ] {
            assert_eq!(findings("conventions-mixed", text).len(), expected, "{text}");
        }
    }

    #[test]
    fn services_a_generation_apart_are_information() {
        let new = "api SERVER \"GET /a\" 200";
        let old =
            "old SERVER \"GET\" !http.request.method !url.scheme http.method=\"GET\" http.status_code=200";
        let found = findings("conventions-mixed", &format!("{new}\n{old}"));
        assert_eq!(found.iter().map(|finding| finding.level.as_str()).collect::<Vec<_>>(), ["information"]);
        assert_eq!(found[0].service.as_deref(), Some("old"));
        assert_eq!(findings("conventions-mixed", old).len(), 0);
    }
}
