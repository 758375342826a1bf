//! An export request is larger than the endpoint takes.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "batch-too-large",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Exports],
    explains: &["export-refused"],
    explanation: r#"
## What it checks

No export request is larger than 16 MiB (16,777,216 bytes) after decompression.

## Why it matters

Google's endpoints refuse larger messages with RESOURCE_EXHAUSTED, and exporters do not retry that: all spans of the batch are
lost at once, which happens first when there is much to see. Compression does not help, the limit is for what comes out.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
export:
  api-service otlp-grpc bytes=20000000
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
export:
  api-service otlp-grpc bytes=16777216
```

## How to fix

- Rust: lower `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` (512 spans by default), or cut values in a span processor.
- Python: set `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` and `OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`.
- Go: `sdktrace.WithMaxExportBatchSize`, and `sdktrace.WithRawSpanLimits` with an `AttributeValueLengthLimit`.
- Node: `maxExportBatchSize` of `BatchSpanProcessor`, and `attributeValueLengthLimit` of `spanLimits`.
- Java: `otel.bsp.max.export.batch.size` and `otel.attribute.value.length.limit`.

## References

- Telemetry API, "Quotas and limits": <https://cloud.google.com/trace/docs/quotas>
- OpenTelemetry, environment variables of the batch span processor:
  <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#batch-span-processor>
"#,
    check: Check::One(check),
};

/// The limit of Google's endpoints for one message after decompression, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for export in &index.observation.exports {
        findings.looked();
        if export.bytes <= LIMIT {
            continue;
        }
        let message = format!(
            "An export request has {} MiB, and the endpoint takes 16; all spans in it would be lost together.",
            export.bytes.div_ceil(1024 * 1024),
        );
        let report = match &export.source {
            Some(source) => findings.on_service(&source.service, message),
            None => findings.on_whole(message),
        };
        report
            .expected(format!("at most {LIMIT} bytes"))
            .actual(format!("{} bytes", export.bytes))
            .fact("bytes", i64::try_from(export.bytes).unwrap_or(i64::MAX))
            .fact("spans", i64::from(export.spans))
            .fact("protocol", export.protocol.as_str());
    }
}
