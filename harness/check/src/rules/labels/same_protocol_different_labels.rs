//! Two services of one protocol do not have the same labels.

use std::collections::BTreeMap;

use spanwise_model::{Evidence, GrpcCode, Level, SpanKind};

use super::requests;
use crate::conventions::{Requirement, is_due, required};
use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "same-protocol-different-labels",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Services that speak the same protocol have the required labels of their spans under the same names. Spans of one kind are
compared, where the requests ended alike: all well, the caller's fault, or the server's.

## Why it matters

One service is written in one framework, the next in another; each instrumentation is fine by itself, and still no single
query covers both. `/http/status_code` here and `http.response.status_code` there make two dashboards.

## Bad

```trace
driver CLIENT "GET /users" 200
  user-service SERVER "GET /users" 200
driver CLIENT "GET /orders" 200
  order-service SERVER "GET /orders" 200 !http.request.method /http/method="GET"
```

## Good

```trace
driver CLIENT "GET /users" 200
  user-service SERVER "GET /users" 200
driver CLIENT "GET /orders" 200
  order-service SERVER "GET /orders" 200
```

## How to fix

- Rust: put the layers into one crate that all services share, and take the keys from `opentelemetry-semantic-conventions`.
- Python: instrument Flask and FastAPI from packages of one release, with the same `OTEL_SEMCONV_STABILITY_OPT_IN`.
- Go: use the `go.opentelemetry.io/contrib` handlers in one version everywhere; drop hand-written `/http/…` labels.
- Node: pin one version of `@opentelemetry/auto-instrumentations-node` for all services.
- Java: run all services with the same agent version and the same `otel.semconv-stability.opt-in`.

## References

- Semantic conventions for HTTP spans, section "HTTP server span"; semantic conventions for gRPC, section "Spans":
  <https://opentelemetry.io/docs/specs/semconv/>
- Cloud Trace, page "Trace labels": <https://cloud.google.com/trace/docs/trace-labels>
"#,
    check: Check::One(check),
};

/// How a request ended, as far as labels may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Well,
    ByCaller,
    ByServer,
}

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut alike: BTreeMap<(Protocol, SpanKind, Ended), Ordered<&str, Node<'_>>> = BTreeMap::new();
    for (node, protocol) in requests(index, findings) {
        let (Some(service), Some(ended)) = (node.service(), ended(node, protocol)) else { continue };
        alike.entry((protocol, node.kind, ended)).or_default().entry(service).or_insert(node);
    }
    let mut reported: Vec<(&str, &str)> = Vec::new();
    for ((protocol, kind, _), services) in alike.iter().filter(|(_, services)| services.len() > 1) {
        findings.looked();
        for requirement in required().iter().filter(|one| one.protocol == *protocol && one.kind == *kind) {
            let named = services.iter().map(|(service, node)| (*service, *node, name(*node, requirement)));
            let names: Vec<_> =
                named.filter(|(_, node, name)| name.is_some() || is_due(*node, requirement)).collect();
            if names.is_empty() {
                continue;
            }
            let (usual_service, usual_node, usual) = usual(&names, requirement);
            for (service, node, name) in names.iter().filter(|(_, _, name)| *name != usual) {
                if reported.contains(&(service, requirement.label())) {
                    continue;
                }
                reported.push((service, requirement.label()));
                let shown = |name: Option<&'static str>| name.unwrap_or("nothing");
                let message = format!(
                    "{service} has {} where {usual_service} has {} on its {} spans.",
                    shown(*name),
                    shown(usual),
                    kind.as_str()
                );
                findings
                    .on_span(*node, message)
                    .reaches_span(usual_node)
                    .expected(shown(usual))
                    .actual(shown(*name))
                    .fact("label", requirement.label())
                    .fact("other_service", usual_service);
            }
        }
    }
}

/// How a request ended; `None` where that is not said.
fn ended(node: Node<'_>, protocol: Protocol) -> Option<Ended> {
    match protocol {
        Protocol::Http => match semconv::http_status(node.span())? {
            400..=499 => Some(Ended::ByCaller),
            500.. => Some(Ended::ByServer),
            _ => Some(Ended::Well),
        },
        Protocol::Grpc => match semconv::grpc_status(node.span())? {
            GrpcCode::Ok => Some(Ended::Well),
            _ => Some(Ended::ByServer),
        },
    }
}

/// The name under which a span has a required label.
fn name(node: Node<'_>, requirement: &Requirement) -> Option<&'static str> {
    semconv::named(node.span(), &requirement.names).map(|(name, _)| name)
}

/// The name that a service should have: the current one if anybody has it, else that of the first.
fn usual<'i>(
    names: &[(&'i str, Node<'i>, Option<&'static str>)],
    requirement: &Requirement,
) -> (&'i str, Node<'i>, Option<&'static str>) {
    let current = names.iter().find(|(_, _, name)| *name == Some(requirement.label()));
    *current.or_else(|| names.iter().find(|(_, _, name)| name.is_some())).unwrap_or(&names[0])
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn two_services() {
        let first = r#"one SERVER "GET /a" 200"#;
        for (second, expected) in [
            (r#"two SERVER "GET /b" 200"#, None),
            (r#"two SERVER "GET" 200 url.path="/b""#, None),
            (
                r#"two SERVER "GET /b" !http.request.method !url.scheme /http/method="GET" http.response.status_code=200"#,
                Some("two"),
            ),
            (r#"two SERVER "/ws" 200 url.scheme="ws" !http.request.method"#, None),
            // Another outcome, another kind, another protocol, the same service.
            (r#"two SERVER "GET /b" 500 !url.scheme"#, None),
            (r#"two CLIENT "GET" 200 !url.full"#, None),
            (r#"two SERVER "a.B/C" OK"#, None),
            (r#"one SERVER "GET /b" 200 !url.scheme"#, None),
        ] {
            let found = findings("same-protocol-different-labels", &format!("{first}\n{second}"));
            let service = found.first().and_then(|finding| finding.service.as_deref());
            assert_eq!(service, expected, "{second}");
        }
    }

    #[test]
    fn a_port_that_the_url_says_is_no_difference() {
        let first = r#"one CLIENT "GET" 200"#;
        for (url, expected) in [("https://h/x", 0), ("https://h:444/x", 1)] {
            let second = format!(r#"two CLIENT "GET" 200 !server.port url.full="{url}""#);
            let found = findings("same-protocol-different-labels", &format!("{first}\n{second}"));
            assert_eq!(found.len(), expected, "{url}");
        }
    }
}
