//! A label stands in a namespace of the conventions, which do not have it.

use spanwise_model::{Evidence, Level};

use super::{Alike, on_spans, service};
use crate::conventions::schema;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "label-unknown-in-namespace",
    family: Family::Labels,
    level: Level::Information,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

A label whose key begins with a namespace of the conventions (`http.`, `url.`, `rpc.`, `server.`, `user.` and others that spans
of HTTP and gRPC services carry) is one that they have (version 1.42), or one that the suite's `registry:` adds. The
namespaces of that registry count too. Namespaces of which the conventions have more than spanwise knows, such as `db.`, do not.

## Why it matters

A key like `http.metod` is a typing error that no query finds, and one like `user.tier` will mean something else once the
conventions take the name. Labels of your own belong into a namespace of your own.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 http.metod="POST"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 http.request.header.accept=["*/*"] shop.tier="gold"
```

## How to fix

- Rust: use the constants of `opentelemetry-semantic-conventions` and a prefix of your own for what they do not have.
- Python: use `opentelemetry.semconv.attributes`; put your own labels behind the name of your company or product.
- Go: use the helpers of `go.opentelemetry.io/otel/semconv`, such as `semconv.HTTPRoute(route)`.
- Node: use the constants of `@opentelemetry/semantic-conventions`.
- Java: use `HttpAttributes`, `UrlAttributes` and the like of `opentelemetry-semconv`.
- Labels that are meant: list them in a registry in the format of Weaver, and name it in the suite as `registry: PATH`.

## References

- OpenTelemetry specification, "Naming", recommendations for application developers:
  <https://opentelemetry.io/docs/specs/semconv/general/naming/>
- Weaver, "Semantic Convention Definition Language": <https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut unknown: Alike<'_, (Option<&str>, &str, &str)> = Alike::default();
    for node in index.nodes() {
        let events = node.span().events.iter().flat_map(|event| &event.attributes);
        let in_events = events.map(|(key, _)| (key.as_str(), index.registry().find(key)));
        for (key, label) in node.labels().map(|(key, _, label)| (key, label)).chain(in_events) {
            if label.is_some() {
                findings.looked();
            } else if let Some(namespace) = index.registry().unknown_in(key) {
                findings.looked();
                let alike = (node.service(), key, namespace);
                let nodes = unknown.entry((index.apart(node), alike)).or_default();
                if nodes.last() != Some(&node) {
                    nodes.push(node);
                }
            }
        }
    }
    for ((_, (_, key, namespace)), nodes) in unknown {
        let message = format!(
            "{} uses the label {key}, which the namespace {namespace} does not have in version {} of the conventions.",
            service(nodes[0]),
            schema()
        );
        on_spans(findings, &nodes, message)
            .expected("a label of the conventions, or one in a namespace of its own")
            .actual(key)
            .fact("label", key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spanwise_model::{Label, LabelState, LabelType, notation};

    use crate::conventions::Registry;
    use crate::rules::labels::testing::labels;
    use crate::{Engine, Profile};

    #[test]
    fn keys() {
        for (text, expected) in [
            (r#"api SERVER "POST /greet" 200 http.metod="POST""#, "http.metod"),
            (r#"api SERVER "POST /greet" 200 http.status_text="OK""#, "http.status_text"),
            ("api INTERNAL \"work\"\n  | event \"x\" exception.kind=\"y\"", "exception.kind"),
            // Old names are known, and so are templates, Cloud Trace's labels and a user's own.
            (r#"api SERVER "a.B/C" OK http.method="POST" rpc.grpc.status_code=0 rpc.status_code="OK""#, ""),
            (
                r#"api SERVER "a.B/C" OK rpc.request.metadata.x=["y"] /http/metod="x" shop.tier="x" http=1"#,
                "",
            ),
            // Namespaces that were given up, or that have more labels than the registry at hand.
            (r#"api SERVER "a.B/C" OK message.text="x" net.foo="x" db.shard="x" k8s.x="y""#, ""),
        ] {
            assert_eq!(labels("label-unknown-in-namespace", text).join(" "), expected, "{text}");
        }
    }

    #[test]
    fn a_suite_adds_labels_and_namespaces() {
        let label = |key: &str| Label {
            key: key.to_owned(),
            value: LabelType::Str,
            is_template: false,
            state: LabelState::Current,
        };
        let registry = Registry::with(&[label("user.tier"), label("shop.order")]);
        let engine = Engine::new(Profile::Otel).with_registry(Arc::new(registry));
        let text = "api INTERNAL \"work\" user.tier=1 shop.oder=\"7\" shop.order=\"7\"";
        let checked = engine.check(&notation::parse(text).expect("it is in the notation"));
        let found: Vec<String> = checked
            .findings
            .iter()
            .map(|finding| format!("{} {}", finding.rule, finding.facts["label"]))
            .collect();
        assert_eq!(found, ["label-wrong-type user.tier", "label-unknown-in-namespace shop.oder"]);
    }
}
