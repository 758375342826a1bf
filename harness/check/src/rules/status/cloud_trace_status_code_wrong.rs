//! Cloud Trace got a status code that its viewers do not take for an error.

use spanwise_model::{Evidence, GrpcCode, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "cloud-trace-status-code-wrong",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::CloudRun,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

In the Cloud Trace API v2 a span with status ERROR has the code UNKNOWN (2), one with status OK has 0, and one without a
status has none. The gRPC code of the call belongs into its label.

## Why it matters

OpenTelemetry knows one kind of error, the API has sixteen codes. All official exporters write UNKNOWN, and queries are made
for it: an exporter that writes another code makes its errors look like those of another kind of call.

## Bad

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 via=cloud-trace-grpc status=ERROR rpc-code=14 error.type="500"
```

## Good

```trace
driver CLIENT "POST /greet" 500
  api-service SERVER "POST /greet" 500 via=cloud-trace-grpc status=ERROR rpc-code=2 error.type="500"
```

## How to fix

- Rust: `opentelemetry-gcloud-trace` writes UNAVAILABLE for every error; export OTLP, or map errors to code 2.
- Python: use `opentelemetry-exporter-gcp-trace`, which maps `StatusCode.ERROR` to UNKNOWN.
- Go: use `opentelemetry-operations-go/exporter/trace`; do not build `google.rpc.Status` from the call's code.
- Node: use `@google-cloud/opentelemetry-cloud-trace-exporter`, or export OTLP.
- Java: use `exporter-trace` of `opentelemetry-operations-java`, or export OTLP.

## References

- Cloud Trace API v2, `Span.status`: <https://cloud.google.com/trace/docs/reference/v2/rpc/google.devtools.cloudtrace.v2>
- `google/rpc/code.proto`: <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes().filter(|node| node.protocol.is_some_and(|protocol| protocol.is_cloud_trace())) {
        findings.looked();
        let Some(code) = node.status.rpc_code.filter(|&code| code != 0 && code != 2) else { continue };
        let name = GrpcCode::from_number(code.into()).map_or("no code of google.rpc", GrpcCode::as_str);
        findings
            .on_span(
                node,
                format!(
                    "Cloud Trace was sent the status code {code} ({name}), where every error is 2 (UNKNOWN)."
                ),
            )
            .expected("2 (UNKNOWN)")
            .actual(format!("{code} ({name})"))
            .fact("code", i64::from(code));
    }
}
