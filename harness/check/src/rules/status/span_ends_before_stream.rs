//! A span ended while its answer was still being streamed.

use spanwise_model::{Evidence, Level, SpanKind};

use crate::semconv::Protocol;
use crate::{Check, Family, Findings, Hop, Index, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "span-ends-before-stream",
    family: Family::Status,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[],
    explanation: r#"
## What it checks

The SERVER span of a streamed answer, and the CLIENT span of a streaming gRPC call, are still open when the front sees the
last piece of data but one. What the front may lag behind is allowed for, so streams of a few milliseconds are not judged.

## Why it matters

A span that ends with the response's headers measures the wait for the first byte. A stream that takes a minute or breaks in
the middle looks like a good request of a few milliseconds: the error comes when nothing can be written onto the span
any more.

## Bad

```trace
driver CLIENT "GET /greet-many/{name}" 200 id=S1
  api-service SERVER "GET /greet-many/{name}" 200 url.path="/greet-many/Ada" ends-before-stream
wire:
  driver -> api-service http/1.1 frames=3 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "GET /greet-many/{name}" 200 id=S1
  api-service SERVER "GET /greet-many/{name}" 200 url.path="/greet-many/Ada"
wire:
  driver -> api-service http/1.1 frames=3 traceparent: T1-S1-01
```

## How to fix

- Rust: move the span into the response body and end it at its last frame; a `tower-http` `TraceLayer` span ends earlier.
- Python: update the ASGI instrumentation, which ends the span with the last `http.response.body` message; in gRPC iterate over
  the response inside the span.
- Go: read the body to its end and close it: `otelhttp` ends a client's span then, `otelgrpc` at the end of the stream.
- Node: end the span on `finish` or `close` of the response, not when the handler returns.
- Java: end the span in `onComplete` and `onError` of the reactive stream, or use the agent, which does.

## References

- Semantic conventions for HTTP spans, "HTTP server spans": the span covers the request until the response is sent:
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
- Semantic conventions for RPC spans: <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let is_judged = match node.kind {
            SpanKind::Server => true,
            SpanKind::Client => outcome::protocol(node) == Some(Protocol::Grpc),
            _ => false,
        };
        // A span whose times are broken is another rule's.
        if !is_judged || node.end == 0 || node.end < node.start {
            continue;
        }
        let is_streamed = |hop: &Hop<'_>| hop.tap().stamps.last_but_one_data != 0;
        let Some(hop) = outcome::answer(node).filter(is_streamed) else { continue };
        findings.looked();
        // The caller that gives up need not wait for what is still on the way.
        let gave_up = node.kind == SpanKind::Client && hop.is_canceled();
        if !hop.tap().stamps.streamed_after(node.end) || gave_up {
            continue;
        }
        let frames = i64::from(hop.tap().stamps.data_frames);
        findings
            .on_span(node, "The span ended while its answer was still being streamed.")
            .expected("an end at or after that of the stream")
            .actual("an end before the last data but one")
            .fact("data_frames", frames)
            .hop(hop);
    }
}
