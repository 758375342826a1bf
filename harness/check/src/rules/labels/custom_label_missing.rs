//! A label that the suite says every request span must have is missing on one.

use spanwise_model::{Evidence, Level, SpanKind};

use super::{Alike, on_spans, requests, service};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "custom-label-missing",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Every SERVER and CLIENT span of HTTP and gRPC has the labels that the suite lists under `require-labels`. Where requests of
the case carry a marker (`{{user}}`), only spans of those are looked at: the others have no user to name.

## Why it matters

A label that a hook sets, such as the user of a request, is worth as much as the spans that have it: one instrumentation
without the hook, and "everything that happened to Ada" is no longer everything.

## Bad

```trace
driver CLIENT "POST /greet" 200 marker="ada"
  api-service SERVER "POST /greet" 200 user.id="ada"
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK user.id="ada"
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
settings:
  required-label="user.id"
```

## Good

```trace
driver CLIENT "POST /greet" 200 marker="ada"
  api-service SERVER "POST /greet" 200 user.id="ada"
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK user.id="ada"
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK user.id="ada"
settings:
  required-label="user.id"
```

## How to fix

- Rust: record it in the layer that makes the span, and carry it on as baggage to the next service.
- Python: pass `server_request_hook` and `client_request_hook` to the instrumentor, or a `SpanProcessor` that copies baggage
  (`BaggageSpanProcessor`).
- Go: a `SpanProcessor` whose `OnStart` copies baggage (`go.opentelemetry.io/contrib/processors/baggagecopy`).
- Node: `requestHook` of the instrumentation, or `BaggageSpanProcessor`.
- Java: `otel.java.experimental.span-attributes.copy-from-baggage.include=user.id`, or an `AttributesExtractor`.

## References

- OpenTelemetry, "Baggage", and span processors that copy it: <https://opentelemetry.io/docs/concepts/signals/baggage/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let required = &index.observation.settings.required_labels;
    if required.is_empty() {
        return;
    }
    let has_marker = |at: usize| index.observation.requests[at].marker.is_some();
    let any_marker = index.observation.requests.iter().any(|request| request.marker.is_some());
    let mut missing: Alike<'_, (Option<&str>, SpanKind, &str, &str)> = Alike::default();
    for (node, _) in requests(index, findings) {
        if !node.request().is_some_and(|at| has_marker(at) || !any_marker) {
            continue;
        }
        findings.looked();
        for label in required.iter().filter(|label| !has(node, label)) {
            let alike = (node.service(), node.kind, node.span().name.as_str(), label.as_str());
            missing.entry((index.apart(node), alike)).or_default().push(node);
        }
    }
    for ((_, (_, kind, name, label)), nodes) in missing {
        let message = format!(
            "The {} span \"{name}\" of {} has no label {label}, which the suite asks of every request span.",
            kind.as_str(),
            service(nodes[0])
        );
        on_spans(findings, &nodes, message).expected(label).actual("none").fact("label", label);
    }
}

/// A process may say it of all its spans at once.
fn has(node: Node<'_>, label: &str) -> bool {
    node.attribute(label).is_some() || node.span().resource.attribute(label).is_some()
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    /// The spans without the label, as `service kind`.
    fn check(text: &str, expected: &str) {
        let text = format!("{text}\nsettings:\n  required-label=\"user.id\"");
        let found = findings("custom-label-missing", &text);
        let shown = found.iter().map(|one| one.span_path.last().cloned().unwrap_or_default());
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expected, "{text}");
    }

    #[test]
    fn request_spans() {
        check("driver CLIENT \"GET /\" 200\n  api SERVER \"GET /\" 200", "api GET /");
        check("driver CLIENT \"GET /\" 200\n  api SERVER \"GET /\" 200 user.id=<user>", "");
        check("driver CLIENT \"GET /\" 200\n  api SERVER \"GET /\" 200\nresource:\n  api user.id=\"a\"", "");
        // Work inside, and calls of databases, are no request spans.
        check("driver CLIENT \"GET /\" 200\n  api INTERNAL \"work\"", "");
        check("driver CLIENT \"GET /\" 200\n  api CLIENT \"get\" db.system.name=\"redis\"", "");
        // What belongs to no request has no user.
        check("api SERVER \"GET /\" 200", "");
    }

    #[test]
    fn only_requests_with_a_user_where_the_suite_names_users() {
        let of_nobody = "driver CLIENT \"GET /a\" 200\n  api SERVER \"GET /a\" 200";
        let of_ada = "driver CLIENT \"GET /b\" 200 marker=\"ada\" trace=T2\n  api SERVER \"GET /b\" 200";
        check(&format!("{of_nobody}\n{of_ada}"), "api GET /b");
        check(&format!("{of_nobody}\n{}", of_ada.replace("marker=\"ada\" ", "")), "api GET /a, api GET /b");
    }
}
