//! A span in Cloud Trace v2 does not have the labels that its exporter promises.

use spanwise_model::{Evidence, Level, Value};

use super::{Alike, on_spans, service};
use crate::conventions::cloud_trace::{AGENT, AGENT_FORM, Agent, agent, promised};
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "cloud-trace-label-mapping-wrong",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

Spans in Cloud Trace v2 whose `g.co/agent` names one of Google's exporters (for Go, Python, Node or Java) have the labels
that this exporter makes of attributes: `/http/method` of `http.method`, `/http/status_code` of `http.status_code`, and so on, each
by its own table. `g.co/agent` itself has the form `opentelemetry-LANGUAGE VERSION; google-cloud-trace-exporter VERSION`. Other
agents, and exporters that name none, promise nothing.

## Why it matters

Cloud Trace's pages and its filters know requests by the `/http/…` labels. A span with the unmapped name is missing in them
beside others from the same exporter, and a malformed agent hides which exporter it was.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 via=cloud-trace-grpc !http.route /http/route="/greet" thread.id=7 g.co/agent="opentelemetry-java 1.40.0; google-cloud-trace-exporter 0.33.0"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 via=cloud-trace-grpc !http.route /http/route="/greet" /tid=7 g.co/agent="opentelemetry-java 1.40.0; google-cloud-trace-exporter 0.33.0"
```

## How to fix

- Rust: neither exporter at hand names an agent; one of your own should name itself in this form, or leave the label out.
- Python: update `opentelemetry-exporter-gcp-trace`; do not set `g.co/agent` or `/http/…` labels yourself.
- Go: leave `WithAttributeMapping` alone, or call the default mapping from it.
- Node: update `@google-cloud/opentelemetry-cloud-trace-exporter`, or move to OTLP, where no label is renamed.
- Java: keep the defaults in `TraceConfiguration.setAttributeMapping`.

## References

- Cloud Trace, page "Trace labels": <https://cloud.google.com/trace/docs/trace-labels>
- Google's exporters: <https://github.com/GoogleCloudPlatform/opentelemetry-operations-go/tree/main/exporter/trace>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut malformed: Alike<'_, (Option<&str>, &str)> = Alike::default();
    let mut unmapped: Alike<'_, (Option<&str>, &str, &str, &str)> = Alike::default();
    let is_cloud_trace =
        |protocol: Option<spanwise_model::Protocol>| protocol.is_some_and(|one| one.is_cloud_trace());
    for node in index.nodes().filter(|node| is_cloud_trace(node.protocol)) {
        let span = node.span();
        let Some(Value::Str(text)) = span.attribute(AGENT) else { continue };
        let language = match agent(text) {
            Agent::Exporter(language) => language,
            Agent::Malformed => {
                findings.looked();
                malformed.entry((index.apart(node), (node.service(), text))).or_default().push(node);
                continue;
            }
            Agent::Other => continue,
        };
        findings.looked();
        for (key, _) in &span.attributes {
            let Some(label) = promised(language, key).filter(|label| span.attribute(label).is_none()) else {
                continue;
            };
            let alike = (node.service(), language, key.as_str(), label);
            unmapped.entry((index.apart(node), alike)).or_default().push(node);
        }
    }
    for ((_, (_, text)), nodes) in malformed {
        let message =
            format!("{} names its exporter in {AGENT} in a form that nobody reads.", service(nodes[0]));
        on_spans(findings, &nodes, message).expected(AGENT_FORM).actual(text).fact("label", AGENT);
    }
    for ((_, (_, language, key, label)), nodes) in unmapped {
        let message = format!(
            "{} sends {key} to Cloud Trace, of which the exporter for {language} that it names makes {label}.",
            service(nodes[0])
        );
        on_spans(findings, &nodes, message)
            .expected(label)
            .actual(key)
            .fact("label", key)
            .fact("renamed_to", label);
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::labels;

    #[test]
    fn mappings() {
        let agent = |language: &str| {
            format!("g.co/agent=\"opentelemetry-{language} 1.2.3; google-cloud-trace-exporter 1.2.3\"")
        };
        for (labels_of_span, via, expected) in [
            (format!("http.method=\"GET\" {}", agent("go")), "cloud-trace-grpc", "http.method"),
            (format!("/http/method=\"GET\" {}", agent("go")), "cloud-trace-grpc", ""),
            (format!("http.method=\"GET\" /http/method=\"GET\" {}", agent("go")), "cloud-trace-rest", ""),
            // Go leaves the URL, Python does not; current names are left by all.
            (format!("http.url=\"u\" http.request.method=\"GET\" {}", agent("go")), "cloud-trace-grpc", ""),
            (format!("http.url=\"u\" {}", agent("python")), "cloud-trace-grpc", "http.url"),
            // Whose table nobody knows, who says nothing, and what is scrubbed.
            (format!("http.method=\"GET\" {}", agent("rust")), "cloud-trace-grpc", ""),
            ("http.method=\"GET\"".to_owned(), "cloud-trace-grpc", ""),
            ("http.method=\"GET\" g.co/agent=<agent>".to_owned(), "cloud-trace-grpc", ""),
            ("http.method=\"GET\" g.co/agent=\"opencensus-java [0.31]\"".to_owned(), "cloud-trace-grpc", ""),
            ("g.co/agent=\"opentelemetry-go v1\"".to_owned(), "cloud-trace-grpc", "g.co/agent"),
            // OTLP renames nothing.
            (format!("http.method=\"GET\" {}", agent("go")), "otlp-grpc", ""),
        ] {
            let text = format!("api INTERNAL \"work\" via={via} {labels_of_span}");
            assert_eq!(labels("cloud-trace-label-mapping-wrong", &text).join(" "), expected, "{text}");
        }
    }
}
