//! Spans do not say which version, instance or revision of a service they come from.

use spanwise_model::{Evidence, Level, Value};

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

/// The labels, and what each of them says.
const LABELS: [(&str, &str); 7] = [
    ("service.version", "version"),
    ("service.instance.id", "instance"),
    ("cloud.platform", "platform"),
    ("cloud.region", "region"),
    ("faas.name", "Cloud Run service"),
    ("faas.version", "revision"),
    ("faas.instance", "container"),
];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut incomplete: Alike<'_, Option<&str>> = Alike::default();
    for node in index.nodes().filter(|_| to_google(index)) {
        findings.looked();
        if LABELS.iter().any(|(label, _)| identity(node, label).is_none()) {
            incomplete.entry((index.apart(node), node.service())).or_default().push(node);
        }
    }
    for nodes in incomplete.into_values() {
        let is_missing =
            |(label, _): &(&str, &str)| nodes.iter().any(|node| identity(*node, label).is_none());
        let (labels, words): (Vec<&str>, Vec<&str>) = LABELS.into_iter().filter(is_missing).unzip();
        let service = service(nodes[0]);
        let message = format!("The spans of {service} do not say from which {} they come.", words.join(", "));
        on_spans(findings, &nodes, message)
            .expected(labels.join(", "))
            .actual("none")
            .fact("label", labels[0])
            .fact("missing", Value::Array(labels.iter().copied().map(Value::from).collect()));
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn identities() {
        let whole = "service.version=\"1\" service.instance.id=\"a\" cloud.platform=\"gcp_cloud_run\" \
                     cloud.region=\"r\" faas.name=\"n\" faas.version=\"v\" faas.instance=\"i\"";
        let two = whole.split_once(" cloud.platform").map(|(two, _)| two).expect("cut above");
        let cloud_run = "settings:\n  platform=cloud-run";
        let all = "service.version, service.instance.id, cloud.platform, cloud.region, faas.name, faas.version, faas.instance";
        let five = "cloud.platform, cloud.region, faas.name, faas.version, faas.instance";
        for (text, expected) in [
            (format!("api SERVER \"a.B/C\" OK\nresource:\n  api {whole}\n{cloud_run}"), &[][..]),
            // Cloud Trace has the labels of the span alone.
            (format!("api SERVER \"a.B/C\" OK via=cloud-trace-grpc {whole}\n{cloud_run}"), &[]),
            (format!("api SERVER \"a.B/C\" OK {whole}\n{cloud_run}"), &[all]),
            // One finding a service, whatever it misses and wherever.
            (
                format!(
                    "api SERVER \"a.B/C\" OK\n  api CLIENT \"a.B/C\" OK resource=R1\n    backend SERVER \"a.B/C\" OK\n\
                     resource:\n  api {two}\n  R1 service.name=\"api\" {whole}\n{cloud_run}"
                ),
                &[five, all],
            ),
            // Nobody asks where the platform is not emulated.
            ("api SERVER \"a.B/C\" OK".to_owned(), &[]),
        ] {
            let found = findings("service-identity-incomplete", &text);
            let missing: Vec<_> = found.iter().filter_map(|finding| finding.expected.as_deref()).collect();
            assert_eq!(missing, expected, "{text}");
        }
    }
}
