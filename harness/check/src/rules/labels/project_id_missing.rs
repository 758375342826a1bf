//! Spans go to Google by OTLP and do not say to which project they belong.

use spanwise_model::{Evidence, Level};

use super::{Alike, on_spans, service, to_google};
use crate::{Check, Family, Findings, Index, Profile, Rule};

/// With an underscore; the one with a dot belongs to an exporter of the collector.
const PROJECT: &str = "gcp.project_id";
const MISTAKEN: &str = "gcp.project.id";

pub(crate) static RULE: Rule = Rule {
    name: "project-id-missing",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Resource, Evidence::Exports],
    explains: &[],
    explanation: r#"
## What it checks

Spans that are exported to Google by OTLP have the resource attribute `gcp.project_id` (with an underscore). It is asked
only where the platform is emulated; Cloud Trace v2 has the project in the request.

## Why it matters

Google's OTLP endpoint finds the project by this attribute and refuses the whole request without it: no span of the service
is stored. The look-alike `gcp.project.id` is read by an exporter of the OpenTelemetry Collector and by nobody else.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 via=otlp-grpc
resource:
  api-service gcp.project.id="demo-project" service.version="1" service.instance.id="a" cloud.platform="gcp_cloud_run" cloud.region="us-east4" faas.name="api" faas.version="1" faas.instance="b"
export:
  api-service otlp-grpc authorization: "<bearer access token sha256:5f0c1a2b>"
settings:
  platform=cloud-run
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 via=otlp-grpc
resource:
  api-service gcp.project_id="demo-project" service.version="1" service.instance.id="a" cloud.platform="gcp_cloud_run" cloud.region="us-east4" faas.name="api" faas.version="1" faas.instance="b"
export:
  api-service otlp-grpc authorization: "<bearer access token sha256:5f0c1a2b>"
settings:
  platform=cloud-run
```

## How to fix

- Rust: `Resource::builder().with_attribute(KeyValue::new("gcp.project_id", project))`.
- Python: `OTEL_RESOURCE_ATTRIBUTES=gcp.project_id=PROJECT`, or the same key in `Resource.create`.
- Go: `resource.WithAttributes(attribute.String("gcp.project_id", project))`; the detector for Google Cloud does not set it.
- Node: `OTEL_RESOURCE_ATTRIBUTES=gcp.project_id=PROJECT`; `gcpDetector` does not set it.
- Java: `-Dotel.resource.attributes=gcp.project_id=PROJECT`.

## References

- Google Cloud, "Migrate from the Trace exporter to the OTLP endpoint", resource attributes:
  <https://cloud.google.com/trace/docs/migrate-to-otlp-endpoints>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut missing: Alike<'_, (Option<&str>, bool)> = Alike::default();
    let is_otlp =
        |protocol: Option<spanwise_model::Protocol>| protocol.is_some_and(|one| !one.is_cloud_trace());
    for node in index.nodes().filter(|node| is_otlp(node.protocol) && to_google(index)) {
        findings.looked();
        let resource = &node.span().resource;
        if resource.attribute(PROJECT).is_none() {
            let is_mistaken = resource.attribute(MISTAKEN).is_some();
            missing.entry((index.apart(node), (node.service(), is_mistaken))).or_default().push(node);
        }
    }
    for ((_, (_, is_mistaken)), nodes) in missing {
        let name = service(nodes[0]);
        let message = match is_mistaken {
            true => format!("{name} names its project in {MISTAKEN}, where Google's endpoint does not look."),
            false => format!("{name} exports to Google and does not say to which project its spans belong."),
        };
        on_spans(findings, &nodes, message)
            .expected(format!("the resource attribute {PROJECT}"))
            .actual(if is_mistaken { MISTAKEN } else { "none" })
            .fact("label", PROJECT);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn projects() {
        let text = |via: &str, resource: &str| {
            format!(
                "api SERVER \"a.B/C\" OK {via}\nresource:\n  api {resource}\nexport:\n  api otlp-grpc\nsettings:\n  platform=cloud-run"
            )
        };
        for (text, expected) in [
            (text("via=otlp-grpc", "gcp.project_id=\"p\""), None),
            (text("via=otlp-http", "x=1"), Some("none")),
            (text("via=otlp-grpc", "gcp.project.id=\"p\""), Some("gcp.project.id")),
            // Here the project is named by the request.
            (text("via=cloud-trace-grpc", "x=1"), None),
            (text("via=otlp-grpc", "x=1").replace("platform=cloud-run", "timed"), None),
        ] {
            let found = findings("project-id-missing", &text);
            assert_eq!(found.first().and_then(|finding| finding.actual.as_deref()), expected, "{text}");
        }
    }
}
