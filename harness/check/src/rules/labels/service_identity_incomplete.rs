//! Spans do not say which version, instance or revision of a service they come from.

use spanwise_model::{Evidence, Level, Platform};

use super::{Alike, identity, on_spans, service, to_google};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "service-identity-incomplete",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Resource],
    explains: &[],
    explanation: r#"
## What it checks

On Cloud Run every process says, beside its name, which version and instance it is (`service.version`,
`service.instance.id`) and where it runs (`cloud.platform`, `cloud.region`, `faas.name`, `faas.version`, `faas.instance`): in
the resource or, as Cloud Trace v2 has none, in the span's own labels. It is asked only where the platform is emulated.

## Why it matters

"Only the new revision is slow" and "only one instance fails" are questions that these labels answer, and nothing else
does. Google's pages for traces also find the service of a span by them.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
resource:
  api-service service.version="1.2.0" service.instance.id="a" cloud.platform="gcp_cloud_run" cloud.region="us-east4" faas.name="api" faas.version="api-00001"
settings:
  platform=cloud-run
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
resource:
  api-service service.version="1.2.0" service.instance.id="a" cloud.platform="gcp_cloud_run" cloud.region="us-east4" faas.name="api" faas.version="api-00001" faas.instance="0087244a"
settings:
  platform=cloud-run
```

## How to fix

- Rust: no detector for Cloud Run is at hand: build the resource from `K_SERVICE`, `K_REVISION` and the metadata server's
  `instance/id` and `instance/region`.
- Python: add `GoogleCloudResourceDetector` of `opentelemetry-resourcedetector-gcp`; set `service.version` in `Resource.create`.
- Go: `resource.New(ctx, resource.WithDetectors(gcp.NewDetector()))` of `go.opentelemetry.io/contrib/detectors/gcp`.
- Node: pass `gcpDetector` of `@opentelemetry/resource-detector-gcp` to the SDK, with `serviceInstanceIdDetector`.
- Java: put `opentelemetry-gcp-resources` beside the agent and set `otel.resource.providers.gcp.enabled=true`.

## References

- Semantic conventions, resource "Google Cloud Run": <https://opentelemetry.io/docs/specs/semconv/resource/cloud-provider/gcp/cloud-run/>
- Semantic conventions, resource "Service": <https://opentelemetry.io/docs/specs/semconv/resource/service/>
"#,
    check: Check::One(check),
};

const ANYWHERE: [&str; 2] = ["service.version", "service.instance.id"];
const ON_CLOUD_RUN: [&str; 5] =
    ["cloud.platform", "cloud.region", "faas.name", "faas.version", "faas.instance"];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let on_cloud_run = index.observation.settings.platform == Platform::CloudRun;
    let of_platform: &[&str] = if on_cloud_run { &ON_CLOUD_RUN } else { &[] };
    let mut missing: Alike<'_, (Option<&str>, &str)> = Alike::new();
    for node in index.nodes().filter(|_| to_google(index)) {
        findings.looked();
        for label in ANYWHERE.iter().chain(of_platform).filter(|label| identity(node, label).is_none()) {
            missing.entry((index.apart(node), (node.service(), label))).or_default().push(node);
        }
    }
    for ((_, (_, label)), nodes) in missing {
        let what = match label {
            "service.version" => "which version of it made them",
            "service.instance.id" | "faas.instance" => "which instance of it made them",
            "cloud.platform" => "on which platform it runs",
            "cloud.region" => "in which region it runs",
            "faas.name" => "which Cloud Run service it is",
            _ => "which revision of it made them",
        };
        let message = format!("The spans of {} do not say {what}: they have no {label}.", service(nodes[0]));
        on_spans(findings, &nodes, message).expected(label).actual("none").fact("label", label);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::labels;

    #[test]
    fn identities() {
        let whole = "service.version=\"1\" service.instance.id=\"a\" cloud.platform=\"gcp_cloud_run\" \
                     cloud.region=\"r\" faas.name=\"n\" faas.version=\"v\" faas.instance=\"i\"";
        let cloud_run = "settings:\n  platform=cloud-run";
        for (text, expected) in [
            (format!("api SERVER \"a.B/C\" OK\nresource:\n  api {whole}\n{cloud_run}"), ""),
            // Cloud Trace has the labels of the span alone.
            (format!("api SERVER \"a.B/C\" OK via=cloud-trace-grpc {whole}\n{cloud_run}"), ""),
            (
                format!("api SERVER \"a.B/C\" OK {whole} faas.version=<version>\n{cloud_run}"),
                "service.version service.instance.id cloud.platform cloud.region faas.name faas.version faas.instance",
            ),
            // Nobody asks where the platform is not emulated.
            ("api SERVER \"a.B/C\" OK".to_owned(), ""),
        ] {
            assert_eq!(labels("service-identity-incomplete", &text).join(" "), expected, "{text}");
        }
    }
}
