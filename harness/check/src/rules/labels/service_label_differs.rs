//! One instance goes by several service names.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use spanwise_model::{Evidence, Level, Protocol, Source, Value};

use super::on_spans;
use crate::{Check, Family, Findings, Index, Node, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "service-label-differs",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Resource],
    explains: &[],
    explanation: r#"
## What it checks

All spans of one instance name the same service, whichever provider made them and whichever exporter sent them. An
instance is known by the address it exports to, in captures by its `service.instance.id`.

## Why it matters

A query for one name finds half of the service's spans, and a trace viewer draws two services where there is one. It
happens when a library brings a tracer provider of its own, or when two exporters are configured apart.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "greet" resource=R1
resource:
  R1 service.name="greeter"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service INTERNAL "greet" resource=R1
resource:
  R1 service.name="api-service" deployment.environment.name="test"
```

## How to fix

- Rust: build one `Resource`, and hand the same to every `SdkTracerProvider::builder().with_resource(…)`.
- Python: call `trace.set_tracer_provider` once, and let libraries use `trace.get_tracer`; drop `OTEL_SERVICE_NAME` where
  code sets the name as well.
- Go: share one `*resource.Resource` among all `sdktrace.NewTracerProvider` calls.
- Node: start one `NodeSDK`; do not register a second provider in a library.
- Java: leave the name to the agent (`otel.service.name`), and take `GlobalOpenTelemetry` in code.

## References

- Semantic conventions, "Service", attribute `service.name`: "Logical name of the service":
  <https://opentelemetry.io/docs/specs/semconv/resource/service/>
- OpenTelemetry specification, "Resource SDK": a resource describes the entity that produces telemetry:
  <https://opentelemetry.io/docs/specs/otel/resource/sdk/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut instances: Ordered<_, Ordered<&str, Vec<Node<'_>>>> = Ordered::default();
    let mut before: Option<(Node<'_>, Option<usize>)> = None;
    for node in index.nodes() {
        let Some(name) = node.span().service_name() else { continue };
        // Spans that came together share what says of which instance they are.
        let shares =
            |other: &Node<'_>| Arc::ptr_eq(&other.resource, &node.resource) && other.source == node.source;
        let known = before.filter(|(other, _)| shares(other)).map(|(_, place)| place);
        let place = known.unwrap_or_else(|| {
            let entry = instances.entry(instance(node)?);
            let place = entry.index();
            entry.or_default();
            Some(place)
        });
        before = Some((node, place));
        match place {
            Some(place) => {
                findings.looked();
                instances[place].entry(name).or_default().push(node);
            }
            None => findings.not_observed(),
        }
    }
    for ((instance, _), names) in instances.into_iter().filter(|(_, names)| names.len() > 1) {
        // The name of the source is the right one, where it is among them; else that of the most spans.
        let rank = |(name, nodes): (&&str, &Vec<Node<'_>>)| (Some(*name) == nodes[0].service(), nodes.len());
        let Some(main) = names.iter().max_by_key(|entry| rank(*entry)).map(|(name, _)| *name) else {
            continue;
        };
        for (name, nodes) in names.iter().filter(|(name, _)| **name != main) {
            let message = format!(
                "{} calls itself \"{main}\" in some spans and \"{name}\" in others.",
                instance.shown()
            );
            on_spans(findings, nodes, message)
                .expected(main)
                .actual(format!("{name}{}", exporters(&names[main], nodes)))
                .fact("label", "service.name");
        }
    }
}

/// What an instance id is unique within: processes that differ in one of these are not one.
const OF_PROCESS: [&str; 5] =
    ["service.namespace", "host.name", "container.id", "process.pid", "telemetry.sdk.language"];

/// What is known to be one process.
#[derive(PartialEq, Eq, Hash)]
enum Instance<'i> {
    Source(&'i Source),
    Id(&'i str),
}

impl Instance<'_> {
    /// How findings name it.
    fn shown(&self) -> String {
        match self {
            Instance::Source(source) => source.to_string(),
            Instance::Id(id) => format!("The instance {id}"),
        }
    }
}

/// The instance of a span, and what else tells it from others.
fn instance<'i>(node: Node<'i>) -> Option<(Instance<'i>, [Option<Cow<'i, str>>; OF_PROCESS.len()])> {
    let span = node.span();
    if let Some(source) = &span.source {
        return Some((Instance::Source(source), Default::default()));
    }
    let id = span.resource.attribute("service.instance.id").and_then(Value::as_str)?;
    let of_process = OF_PROCESS.map(|key| match span.resource.attribute(key)? {
        Value::Str(text) => Some(Cow::Borrowed(text.as_str())),
        other => Some(Cow::Owned(other.to_string())),
    });
    Some((Instance::Id(id), of_process))
}

/// The protocol that carried the other name, where each name has its own.
fn exporters(main: &[Node<'_>], other: &[Node<'_>]) -> String {
    let carried = |nodes: &[Node<'_>]| -> BTreeSet<&'static str> {
        nodes.iter().filter_map(|node| node.protocol).map(Protocol::as_str).collect()
    };
    let (main, other) = (carried(main), carried(other));
    match other.first() {
        Some(protocol) if !main.contains(protocol) => format!(", exported by {protocol}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn names_of_an_instance() {
        let other = "resource:\n  R1 service.name=\"x\"";
        for (text, expected) in [
            ("api INTERNAL \"a\"\nother INTERNAL \"b\"".to_owned(), None),
            (format!("api INTERNAL \"a\"\napi INTERNAL \"b\" resource=R1\n{other}"), Some("x")),
            // The name of the source is the right one, although another has more spans.
            (
                format!(
                    "api INTERNAL \"a\" resource=R1\napi INTERNAL \"b\" resource=R1\napi INTERNAL \"c\"\n{other}"
                ),
                Some("x"),
            ),
            // Two instances may be two services.
            (format!("api INTERNAL \"a\"\napi#2 INTERNAL \"b\" resource=R1\n{other}"), None),
            // In a capture nothing but its id says what one instance is.
            ("api INTERNAL \"a\"\nx INTERNAL \"b\"\nsettings:\n  capture".to_owned(), None),
            (
                "api INTERNAL \"a\"\nx INTERNAL \"b\"\nresource:\n  api service.instance.id=\"1\"\n  \
                 x service.instance.id=\"1\"\nsettings:\n  capture"
                    .to_owned(),
                Some("api"),
            ),
        ] {
            let found = findings("service-label-differs", &text);
            assert_eq!(found.first().and_then(|finding| finding.actual.as_deref()), expected, "{text}");
        }
    }

    #[test]
    fn exporters_with_a_name_each() {
        let text =
            "api INTERNAL \"a\" via=otlp-grpc\napi INTERNAL \"b\" via=cloud-trace-grpc service.name=\"x\"";
        let found = findings("service-label-differs", text);
        assert_eq!(found[0].actual.as_deref(), Some("x, exported by cloud-trace-grpc"));
    }
}
