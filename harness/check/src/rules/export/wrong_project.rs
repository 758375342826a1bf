//! Spans went to another project than the service runs in.

use spanwise_model::{Evidence, Level};

use super::goes_to_google;
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "wrong-project",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &[],
    explanation: r#"
## What it checks

The project that an export to Google names is the one that the service runs in: in Cloud Trace that of the request, in OTLP the
resource attribute `gcp.project_id` of its spans. The rule applies where the endpoint stands for Google's or the platform is
emulated. One finding for each service and project.

## Why it matters

The spans are stored where nobody looks for them, or refused with `PERMISSION_DENIED`. Each half of a trace in a project of its
own is no trace any more.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
resource:
  api-service gcp.project_id="my-project"
export:
  api-service otlp-grpc google authorization: "<bearer access token sha256:5f0c1a2b>"
settings:
  project="demo-project"
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200 id=S2
resource:
  api-service gcp.project_id="demo-project"
export:
  api-service otlp-grpc google authorization: "<bearer access token sha256:5f0c1a2b>"
settings:
  project="demo-project"
```

## How to fix

- Rust: read the project from the metadata server or `GOOGLE_CLOUD_PROJECT`, and put it into the resource.
- Python: use the GCP resource detector; do not pass `project_id` as a constant to the exporter.
- Go: use `gcp.NewDetector()` of contrib, and `texporter.WithProjectID` only with a value from the environment.
- Node: use `gcpDetector`; do not pass `projectId` as a constant.
- Java: use the GCP resource provider of the agent; set `gcp.project_id` from the environment.

## References

- Cloud Trace, "Migrate to the OTLP endpoint": <https://cloud.google.com/trace/docs/migrate-to-otlp-endpoints>
- Google Cloud, "Application Default Credentials": <https://cloud.google.com/docs/authentication/application-default-credentials>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let exports = &index.observation.exports;
    // Which project a request names; OTLP names it in the resource of its spans, where it may be left out.
    let of_request = exports.iter().filter(|export| export.protocol.is_cloud_trace());
    let of_request = of_request.filter_map(|export| Some((export, export.project.as_deref()?)));
    let of_resource = index.nodes().filter_map(|node| {
        let export = exports.get(node.export?).filter(|export| !export.protocol.is_cloud_trace())?;
        Some((export, node.span().resource.attribute(ATTRIBUTE)?.as_str()?))
    });
    let mut wrong: Ordered<(Option<&str>, &str), i64> = Ordered::default();
    for (export, named) in of_request.chain(of_resource).filter(|(export, _)| goes_to_google(index, export)) {
        let Some(project) = index.observation.settings.project.as_deref() else {
            findings.not_observed();
            continue;
        };
        findings.looked();
        if named != project {
            let service = export.source.as_ref().map(|source| &*source.service);
            *wrong.entry((service, named)).or_default() += 1;
        }
    }
    let project = index.observation.settings.project.as_deref().unwrap_or_default();
    for ((service, named), times) in wrong {
        let who = service.unwrap_or("An exporter");
        let text = format!("{who} exported to project {named}, and runs in {project}.");
        let report = match service {
            Some(service) => findings.on_service(service, text),
            None => findings.on_whole(text),
        };
        report.expected(project).actual(named).fact("project", named).fact("times", times);
    }
}

/// The resource attribute that names the project in OTLP.
const ATTRIBUTE: &str = "gcp.project_id";
