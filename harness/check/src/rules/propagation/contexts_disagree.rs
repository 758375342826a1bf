//! The two context headers of one call say different things.

use spanwise_model::{Evidence, Level};

use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "contexts-disagree",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Wire],
    explains: &[
        "context-from-wrong-header",
        "remote-context-ignored",
        "wrong-remote-parent",
        "trace-split",
        "parent-not-exported",
    ],
    explanation: r#"
## What it checks

Where a service sends both `traceparent` and `X-Cloud-Trace-Context`, both name the same trace, the same span and the same
sampling decision. An `X-Cloud-Trace-Context` without `;o=` says nothing of sampling, and disagrees with nothing.

## Why it matters

Which of the two counts depends on the receiver. One service behind the call continues one trace, the next one another.
Most often one header was forwarded from the incoming request and the other one injected.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01 x-cloud-trace-context: T1/S1;o=1
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c traceparent: T1-S3-01 x-cloud-trace-context: T1/S3;o=1
```

## How to fix

- Rust: inject with one `TextMapCompositePropagator`, and copy no context headers from the incoming request.
- Python: remove hand-written forwarding of `x-cloud-trace-context`.
- Go: do not copy `r.Header` into outgoing requests; let the propagator inject.
- Node: strip context headers where requests are proxied.
- Java: list both propagators in `otel.propagators`, and remove forwarding filters.

## References

- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for hop in index.inner_hops() {
        let headers = hop.context_headers();
        let [one, other] = headers.as_slice() else { continue };
        let (Ok(a), Ok(b)) = (one.read, other.read) else { continue };
        findings.looked();
        let sampling = other.value.contains(";o=") && a.sampled != b.sampled;
        let on = match (a.trace_id == b.trace_id, a.span_id == b.span_id) {
            (false, _) => "the trace",
            (true, false) => "the calling span",
            (true, true) if sampling => "whether the request is sampled",
            (true, true) => continue,
        };
        let from = hop.from().unwrap_or("an unknown caller");
        findings
            .on_hop(hop, format!("{from} sent two context headers that disagree on {on}."))
            .expected("the same in both")
            .actual(format!(
                "{}: {}, {}: {}",
                one.format.header(),
                one.value,
                other.format.header(),
                other.value
            ))
            .fact("disagree_on", on);
    }
}
