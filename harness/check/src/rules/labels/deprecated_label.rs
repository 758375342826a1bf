//! A label has a name that the conventions gave up.

use spanwise_model::{Evidence, Level, SpanKind};

use super::{Alike, on_spans, service};
use crate::conventions::{Label, State, schema};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "deprecated-label",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["same-protocol-different-labels"],
    explanation: r#"
## What it checks

No label of a span, of its events, or of its resource has a name that the semantic conventions (version 1.42) gave up.
The finding names the successor. A label that is gone without a successor is reported as information.

## Why it matters

Services move to new names one by one. As long as `http.status_code` and `http.response.status_code` are both about, every
query and every dashboard must ask for both, and the one that does not is silently wrong.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 !url.scheme http.scheme="http"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
```

## How to fix

- Rust: use the constants of `opentelemetry-semantic-conventions`; deprecated ones warn when compiled.
- Python: set `OTEL_SEMCONV_STABILITY_OPT_IN=http` (or `http/dup` while dashboards move), and update the instrumentation.
- Go: update `go.opentelemetry.io/contrib` and import the newest `semconv/v1.x.0` in your own code.
- Node: update `@opentelemetry/instrumentation-*`; until then set `OTEL_SEMCONV_STABILITY_OPT_IN=http`.
- Java: agent 2.0 and newer has the new HTTP names; for RPC set `otel.semconv-stability.opt-in=rpc`.

## References

- Semantic conventions, attribute registry, entries marked "Deprecated":
  <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>
- "HTTP semantic convention stability migration": <https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut old: Alike<'_, (Option<&str>, &str, &[String])> = Alike::default();
    for node in index.nodes() {
        let events = node.span().events.iter().flat_map(|event| &event.attributes);
        let in_events = events.map(|(key, _)| (key.as_str(), index.registry().find(key)));
        for (key, label) in node.labels().map(|(key, _, label)| (key, label)).chain(in_events) {
            let Some(label) = label else { continue };
            findings.looked();
            let Some(successors) = given_up(label, node.kind) else { continue };
            let nodes = old.entry((index.apart(node), (node.service(), key, successors))).or_default();
            if nodes.last() != Some(&node) {
                nodes.push(node);
            }
        }
    }
    for ((_, (_, key, successors)), nodes) in old {
        let service = service(nodes[0]);
        match successors.first() {
            Some(first) => {
                let all = successors.join(" and ");
                let message = format!(
                    "{service} uses the old name {key}; it is {all} in version {} of the conventions.",
                    schema()
                );
                on_spans(findings, &nodes, message)
                    .expected(all)
                    .actual(key)
                    .fact("label", key)
                    .fact("renamed_to", first.as_str());
            }
            None => {
                let message =
                    format!("{service} uses {key}, which the conventions dropped without a successor.");
                on_spans(findings, &nodes, message)
                    .level(Level::Information)
                    .expected("no such label")
                    .actual(key)
                    .fact("label", key);
            }
        }
    }
}

/// The successors of a label that is not current.
fn given_up(label: &Label, kind: SpanKind) -> Option<&[String]> {
    (label.state != State::Current).then(|| label.successors(kind))
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn successors() {
        for (text, expected) in [
            (
                r#"api SERVER "POST /greet" 200 http.method="POST""#,
                vec![("http.method", "http.request.method")],
            ),
            (r#"api SERVER "POST /greet" 200 http.target="/greet""#, vec![("http.target", "url.path")]),
            (r#"api CLIENT "a.B/C" OK net.peer.name="b""#, vec![("net.peer.name", "server.address")]),
            (r#"api SERVER "a.B/C" OK net.peer.name="b""#, vec![("net.peer.name", "client.address")]),
            (
                r#"api SERVER "a.B/C" rpc.grpc.status_code=0"#,
                vec![("rpc.grpc.status_code", "rpc.response.status_code")],
            ),
            (r#"api SERVER "a.B/C" OK rpc.service="a.B""#, vec![("rpc.service", "rpc.method")]),
            // The name that the conventions take on next, Cloud Trace's own, and one of the user's.
            (
                r#"api SERVER "a.B/C" rpc.status_code="OK" /http/method="POST" user.id="7" http.mine=1"#,
                vec![],
            ),
            (r#"api SERVER "POST /greet" 200 http.request.header.host=["a"]"#, vec![]),
        ] {
            let found = findings("deprecated-label", text);
            let renamed: Vec<_> = found
                .iter()
                .map(|finding| {
                    ["label", "renamed_to"].map(|name| finding.facts[name].as_str().unwrap_or_default())
                })
                .map(|[label, to]| (label, to))
                .collect();
            assert_eq!(renamed, expected, "{text}");
        }
    }

    #[test]
    fn one_finding_for_all_spans_of_a_service() {
        let text =
            "api SERVER \"GET /a\" 200 http.flavor=\"1.1\"\napi SERVER \"GET /b\" 200 http.flavor=\"1.1\"";
        let found = findings("deprecated-label", text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].facts["spans"].as_int(), Some(2));
    }

    #[test]
    fn a_label_without_a_successor_is_information() {
        let text = "api INTERNAL \"work\"\n  | event \"exception\" exception.escaped=false";
        let found = findings("deprecated-label", text);
        assert_eq!(found.iter().map(|finding| finding.level.as_str()).collect::<Vec<_>>(), ["information"]);
    }
}
