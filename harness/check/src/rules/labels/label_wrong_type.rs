//! The value of a known label has another type than the conventions give it.

use spanwise_model::{Evidence, Level, Value};

use super::{Alike, on_spans, service};
use crate::conventions::Type;
use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "label-wrong-type",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The value of every known label has the type that the conventions give it: ports and HTTP status codes are integers, names
are text. Cloud Trace v2 has texts, integers and booleans only, so a list as text is right there.

## Why it matters

`status_code >= 500` finds nothing where the code is the text `"500"`, and a backend that saw both types keeps two labels
of one name, or drops one.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 server.port="8080"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 server.port=8080 http.request.header.accept=["*/*"]
```

## How to fix

- Rust: `KeyValue::new(SERVER_PORT, i64::from(port))`; with `tracing` record the number, not `%port`.
- Python: `span.set_attribute("server.port", int(port))`; parts of a URL are text.
- Go: use the typed helpers, `semconv.ServerPort(8080)` in place of `attribute.String("server.port", "8080")`.
- Node: `Number(url.port)`; `URL.port` is text, and empty for the port of the scheme.
- Java: use the typed keys `ServerAttributes.SERVER_PORT` and `HttpAttributes.HTTP_RESPONSE_STATUS_CODE`.

## References

- Semantic conventions, attribute registry, column "Value Type":
  <https://opentelemetry.io/docs/specs/semconv/registry/attributes/>
- Cloud Trace API v2, message `AttributeValue`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut wrong: Alike<'_, (Option<&str>, &str, Type)> = Alike::default();
    for node in index.nodes() {
        for (key, value, label) in node.labels() {
            let Some(label) = label else { continue };
            findings.looked();
            if !label.value.admits(value) && !is_right_in_cloud_trace(node, label.value, value) {
                wrong.entry((index.apart(node), (node.service(), key, label.value))).or_default().push(node);
            }
        }
    }
    for ((_, (_, key, right)), nodes) in wrong {
        let first = nodes[0].labels().find(|(name, value, _)| *name == key && !right.admits(value));
        let Some((_, value, _)) = first else { continue };
        let message = format!(
            "{} sends the label {key} as {}, but it is {} by the conventions.",
            service(nodes[0]),
            words(value.type_name()),
            words(right.as_str())
        );
        on_spans(findings, &nodes, message)
            .expected(right.as_str())
            .actual(format!("{} {}", value.type_name(), shown(value)))
            .fact("label", key);
    }
}

/// Lists and fractions have no type of their own in Cloud Trace v2: they come as text.
fn is_right_in_cloud_trace(node: Node<'_>, right: Type, value: &Value) -> bool {
    let is_cloud_trace = node.protocol.is_some_and(|protocol| protocol.is_cloud_trace());
    let has_no_such_type = right == Type::Double || right.item().is_some();
    is_cloud_trace && has_no_such_type && matches!(value, Value::Str(_))
}

fn words(type_name: &str) -> &str {
    match type_name {
        "string" => "text",
        "int" => "an integer",
        "boolean" => "a boolean",
        "double" => "a number with a fraction",
        "string[]" => "a list of texts",
        "int[]" => "a list of integers",
        "double[]" => "a list of numbers with fractions",
        "boolean[]" => "a list of booleans",
        "array" => "a list",
        other => other,
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Str(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::labels;

    #[test]
    fn types() {
        for (text, expected) in [
            (
                r#"api SERVER "POST /greet" http.response.status_code="200""#,
                vec!["http.response.status_code"],
            ),
            (r#"api SERVER "POST /greet" http.status_code=200.0"#, vec!["http.status_code"]),
            (r#"api SERVER "a.B/C" rpc.response.status_code=14"#, vec!["rpc.response.status_code"]),
            (r#"api SERVER "a.B/C" rpc.grpc.status_code="14""#, vec!["rpc.grpc.status_code"]),
            (
                r#"api SERVER "POST /greet" 200 http.request.header.accept="*/*""#,
                vec!["http.request.header.accept"],
            ),
            (r#"api SERVER "POST /greet" 200 http.request.header.accept="*/*" via=cloud-trace-grpc"#, vec![]),
            (r#"api SERVER "POST /greet" 200 server.port="80" via=cloud-trace-grpc"#, vec!["server.port"]),
            (r#"api SERVER "POST /greet" 200 server.port=<port> user.id="7" my.port="80""#, vec![]),
        ] {
            assert_eq!(labels("label-wrong-type", text), expected, "{text}");
        }
    }
}
