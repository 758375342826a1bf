//! No telemetry came at all.

use spanwise_model::{Evidence, ExportAnswer, Level, ProcessEventKind, RequestResult};

use crate::{Check, Family, Findings, Hop, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "nothing-received",
    family: Family::Export,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["expected-span-missing"],
    explanation: r#"
## What it checks

Where sampled requests were answered, at least one span of a service came. Where no request was sampled, by its caller or by
the platform's front end, there is nothing to expect. A capture that is looked at holds at least one span.

## Why it matters

Nothing is the most common result of a new set-up, and it looks like success: no errors, no warnings, no traces. The likeliest
reason is said: not sampled any more when it reached the service, refused by the endpoint, lost when the process ended, or
never sent.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1 to=api-service
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-01
export:
process:
  api-service spawned
  api-service ready
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
export:
  api-service otlp-grpc
process:
  api-service spawned
  api-service ready
```

## How to fix

- Rust: install the provider with `global::set_tracer_provider` before spans are made, keep it alive, and call `shutdown()` at the
  end of `main`.
- Python: set `OTEL_TRACES_EXPORTER` and `OTEL_EXPORTER_OTLP_ENDPOINT`; with gunicorn make the provider in `post_fork`.
- Go: call `otel.SetTracerProvider`, and defer `tp.Shutdown(ctx)` in `main`; `log.Fatal` skips it.
- Node: start the SDK with `node --require ./tracing.js`, before the application; await `sdk.shutdown()` on SIGTERM.
- Java: pass `-javaagent:opentelemetry-javaagent.jar`; `otel.traces.exporter` must not be `none`.

## References

- OpenTelemetry, environment variables, "Exporter Selection":
  <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection>
- OpenTelemetry, Tracing SDK, "Sampling" and "Shutdown": <https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let observation = index.observation;
    if observation.requests.is_empty() && observation.wire.is_empty() && observation.process.is_empty() {
        findings.looked();
        if !index.has_any_span() {
            findings.on_whole("There is no span in it.").expected("at least one span").actual("none");
        }
        return;
    }
    let mut unanswered = Vec::new();
    for (at, request) in index.requests() {
        let hop = index.entry(at);
        let sampled = index.received(at).map(|context| context.sampled == Some(true));
        if is_answered(index, &request.result, hop) && sampled == Some(true) {
            findings.looked();
            unanswered.push((&*request.to.service, hop));
        } else if sampled.is_none() {
            // Whether it was sampled is for the service to decide, and nothing tells.
            findings.not_observed();
        }
    }
    let Some(&(service, _)) = unanswered.first().filter(|_| !index.has_any_span()) else { return };
    let (reason, text) = reason(index, unanswered.iter().filter_map(|(_, hop)| *hop));
    let count = unanswered.len();
    let requests = if count == 1 {
        "A sampled request was".to_owned()
    } else {
        format!("{count} sampled requests were")
    };
    let mut report = findings
        .on_service(service, format!("{requests} answered, but no telemetry came; {text}."))
        .expected("at least one span")
        .actual("none")
        .fact("likeliest_reason", reason)
        .fact("requests", count as i64);
    for (_, hop) in unanswered {
        if let Some(hop) = hop {
            report = report.reaches_hop(hop);
        }
    }
}

/// Whether a service answered a request that makes spans.
fn is_answered(index: &Index<'_>, result: &RequestResult, hop: Option<Hop<'_>>) -> bool {
    match hop {
        Some(hop) => hop.is_answered_by_service() && !hop.is_untraced(),
        None => !index.has(Evidence::Wire) && !matches!(result, RequestResult::None(_)),
    }
}

/// Why there is most likely nothing, for programs and for people.
fn reason<'i>(index: &Index<'_>, mut hops: impl Iterator<Item = Hop<'i>>) -> (&'static str, String) {
    let observation = index.observation;
    let refusal = observation.exports.iter().find_map(|export| match &export.answer {
        ExportAnswer::Refused(refusal) => Some(refusal),
        ExportAnswer::Accepted => None,
    });
    let died = |kind: &ProcessEventKind| {
        matches!(kind, ProcessEventKind::Killed | ProcessEventKind::Exited { signal: Some(9), .. })
    };
    let unsampled = |hop: Hop<'_>| hop.context().is_some_and(|context| context.sampled != Some(true));
    if let Some(refusal) = refusal {
        ("refused", format!("the endpoint refused what was sent with {}", refusal.code))
    } else if !observation.defects.is_empty() {
        ("malformed", "what was sent could not be read".to_owned())
    } else if hops.any(unsampled) {
        ("unsampled", "the header that reached the service says that it is not sampled".to_owned())
    } else if observation.exports.iter().any(|export| export.spans == 0) {
        ("empty", "the service exported, but no spans".to_owned())
    } else if observation.process.iter().any(|event| died(&event.kind)) {
        ("killed", "the process was killed before it exported".to_owned())
    } else if index.has(Evidence::Exports) {
        let no_export =
            "no export request was made: the exporter is off, sends elsewhere, or was not flushed at the end";
        ("not-sent", no_export.to_owned())
    } else {
        ("unknown", "nothing tells why".to_owned())
    }
}
