//! A valid, sampled context came in, and the service began a new trace.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "remote-context-ignored",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &["expected-span-missing", "trace-split", "stray-span"],
    explanation: r#"
## What it checks

A service that receives a valid and sampled trace context, in a format that it is configured to read, continues that
trace: its SERVER span has the trace id of the header.

## Why it matters

The caller did all that was asked of it, and still the request is in two traces. Most often the called service has no
propagator installed, or its instrumentation does not see the headers.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
api-service SERVER "POST /greet" 200 trace=T2
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: call `opentelemetry::global::set_text_map_propagator` and extract in a layer outside of the one that makes the span.
- Python: set `OTEL_PROPAGATORS`, and instrument the app object that really serves.
- Go: call `otel.SetTextMapPropagator`; the default one reads nothing.
- Node: name the propagators in `NodeSDK({ textMapPropagator })`.
- Java: set `otel.propagators`.

## References

- W3C Trace Context, section 4.3: <https://www.w3.org/TR/trace-context/#a-traceparent-is-received>
- OpenTelemetry, Propagators API, section "Extract": <https://opentelemetry.io/docs/specs/otel/context/api-propagators/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.hops().filter(|hop| !hop.is_untraced()) {
        let Some(context) = hop.context().filter(|context| context.sampled == Some(true)) else { continue };
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        findings.looked();
        if server.trace_id == context.trace_id {
            continue;
        }
        let to = hop.to();
        let headers: Vec<&str> = hop.arrived_headers().iter().map(|header| header.format.header()).collect();
        findings
            .on_hop(
                hop,
                format!(
                    "{to} received a trace context in {} and did not continue it.",
                    headers.join(" and ")
                ),
            )
            .span(server)
            .expected(format!("trace {}", context.trace_id))
            .actual(format!("trace {}", server.trace_id))
            .fact("header", headers.join(", "));
    }
}
