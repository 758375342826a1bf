//! Spans do not say which service they come from.

use spanwise_model::{Evidence, Level, Source, Value};

use super::{Alike, identity, on_spans};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "service-label-missing",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Resource],
    explains: &[],
    explanation: r#"
## What it checks

Every span says which service it comes from: `service.name` in the resource or, as Cloud Trace v2 has no resource, among
the span's own labels. The stand-in `unknown_service` that SDKs fill in does not count.

## Why it matters

`service.name` is the one label that joins the spans of a service, whatever their protocol. Without it no query finds
"all spans of the backend", and all services that say `unknown_service` look like one. Exporters for Cloud Trace that
leave the resource out lose it on the way.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
resource:
  api-service !service.name
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK via=cloud-trace-grpc
```

## How to fix

- Rust: `SdkTracerProvider::builder().with_resource(Resource::builder().with_service_name("api-service").build())`.
- Python: set `OTEL_SERVICE_NAME`; for Cloud Trace pass `CloudTraceSpanExporter(resource_regex="service.*")`.
- Go: `resource.New(ctx, resource.WithAttributes(semconv.ServiceName("api-service")))` and `trace.WithResource(res)`.
- Node: set `OTEL_SERVICE_NAME`; for Cloud Trace pass `new TraceExporter({ resourceFilter: /^service\./ })`.
- Java: `-Dotel.service.name=api-service`, or `OTEL_SERVICE_NAME` in the environment.

## References

- Semantic conventions, "Service", attribute `service.name` (required):
  <https://opentelemetry.io/docs/specs/semconv/resource/service/>
- OpenTelemetry specification, "Resource SDK", section "SDK-provided resource attributes":
  <https://opentelemetry.io/docs/specs/otel/resource/sdk/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    // An instance says it wrong for all its spans alike.
    let mut nameless: Alike<'_, (Option<&Source>, Option<&str>)> = Alike::default();
    for node in index.nodes() {
        findings.looked();
        let stand_in = match identity(node, "service.name") {
            None => None,
            Some(Value::Str(text)) if text.is_empty() => None,
            Some(Value::Str(text)) if text.starts_with("unknown_service") => Some(text.as_str()),
            Some(_) => continue,
        };
        nameless.entry((index.apart(node), (node.span().source.as_ref(), stand_in))).or_default().push(node);
    }
    for ((_, (_, stand_in)), nodes) in nameless {
        let whose =
            nodes[0].service().map_or("These spans".to_owned(), |name| format!("The spans of {name}"));
        let message = match stand_in {
            None => format!("{whose} do not say which service they come from."),
            Some(text) => {
                format!("{whose} say that they come from \"{text}\", a stand-in that the SDK filled in.")
            }
        };
        on_spans(findings, &nodes, message)
            .expected("service.name with the name of the service")
            .actual(stand_in.unwrap_or("none"))
            .fact("label", "service.name");
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn names() {
        for (text, expected) in [
            ("api SERVER \"a.B/C\" OK", None),
            ("api SERVER \"a.B/C\" OK via=cloud-trace-grpc", None),
            ("api SERVER \"a.B/C\" OK\nresource:\n  api !service.name", Some("none")),
            ("api SERVER \"a.B/C\" OK via=cloud-trace-grpc !service.name", Some("none")),
            ("api SERVER \"a.B/C\" OK\nresource:\n  api service.name=\"\"", Some("none")),
            (
                "api SERVER \"a.B/C\" OK\nresource:\n  api service.name=\"unknown_service:python\"",
                Some("unknown_service:python"),
            ),
            // A label of the span is not seen where there is a resource.
            (
                "api SERVER \"a.B/C\" OK \"service.name\"=\"api\"\nresource:\n  api !service.name",
                Some("none"),
            ),
        ] {
            let found = findings("service-label-missing", text);
            assert_eq!(found.first().and_then(|finding| finding.actual.as_deref()), expected, "{text}");
        }
    }

    #[test]
    fn one_finding_an_instance() {
        let spans = "api SERVER \"a.B/C\" OK\napi SERVER \"a.B/C\" OK\napi#2 SERVER \"a.B/C\" OK";
        let text = format!("{spans}\nresource:\n  api !service.name\n  api#2 !service.name");
        assert_eq!(findings("service-label-missing", &text).len(), 2);
    }
}
