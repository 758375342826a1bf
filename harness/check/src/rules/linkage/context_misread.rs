//! A service continued a context otherwise than the format says.

use spanwise_model::{ContextFormat, Evidence, Level, Sampling};

use crate::index::ContextHeader;
use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "context-misread",
    family: Family::Linkage,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans, Evidence::Wire],
    explains: &[
        "parent-not-exported",
        "wrong-remote-parent",
        "several-roots",
        "hop-without-server-span",
        "front-end-span-orphaned",
    ],
    explanation: r#"
## What it checks

A service that continues a trace reads the header as its format says: the span id of `X-Cloud-Trace-Context` is a decimal
number, a malformed header is ignored, and without `;o=1` (bit 0 of the option) the request is not sampled.

## Why it matters

A header that is read almost right gives spans in the right trace below a parent that does not exist, or spans of
requests that nobody asked to be traced.

## Bad

```trace
driver CLIENT "POST /greet" 200 id=S1
api-service SERVER "POST /greet" 200 parent=?P1
wire:
  driver -> api-service http/1.1 x-cloud-trace-context: T1/S1;o=1
```

## Good

```trace
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 x-cloud-trace-context: T1/S1;o=1
```

## How to fix

- Rust: parse with `u64::from_str` and `SpanId::from`, and ignore the whole header on an error.
- Python: use `CloudTraceFormatPropagator`; do not split the header by hand.
- Go: use `propagator.CloudTraceFormatPropagator`; ids go through `strconv.ParseUint(id, 10, 64)`.
- Node: use `BigInt(id).toString(16).padStart(16, "0")`; `parseInt` loses digits.
- Java: use `Long.parseUnsignedLong(id)`, and catch what it throws.

## References

- Cloud Trace, "Trace context": <https://cloud.google.com/trace/docs/trace-context>
- W3C Trace Context, section 3.2: <https://www.w3.org/TR/trace-context/#traceparent-header>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let parent_based = index.observation.settings.sampling == Some(Sampling::ParentBased);
    for hop in index.hops().filter(|hop| !hop.is_untraced()) {
        let Some(server) = hop.server().or(hop.unlinked()) else { continue };
        let mut headers = hop.arrived_headers();
        headers.retain(|header| hop.callee_reads(header.format));
        // Which of two headers counts is another rule's question.
        let [header] = headers.as_slice() else { continue };
        findings.looked();
        let Some((expected, actual)) = misreading(hop, header, server, parent_based) else { continue };
        let name = header.format.header();
        findings
            .on_span(server, format!("{} did not read the header {name} as its format says.", hop.to()))
            .hop(hop)
            .expected(expected)
            .actual(actual)
            .fact("header", name)
            .fact("value", &*header.value);
    }
}

/// What a right reader makes of the header, and what this service made of it, where the two differ.
fn misreading(
    hop: Hop<'_>,
    header: &ContextHeader<'_>,
    server: Node<'_>,
    parent_based: bool,
) -> Option<(String, String)> {
    let followed = trace_in(header).is_some_and(|trace| trace == server.trace_id.to_string());
    let context = match header.read {
        Ok(context) => context,
        Err(error) => {
            let ignored = format!("the header ignored: it {error}");
            return followed.then(|| (ignored, format!("trace {}", server.trace_id)));
        }
    };
    if !followed {
        return None;
    }
    // Below another span that arrived is another rule's question.
    if hop.server().is_none() && server.parent().is_none() {
        let actual =
            server.parent_span_id.map_or("no parent".to_owned(), |parent| format!("parent {parent}"));
        return Some((format!("parent {}", context.span_id), actual));
    }
    // With a plain option the sampling decision itself is another rule's question, and what a front end wrote is its own.
    let plain = matches!(header.value.split_once(";o="), Some((_, "0" | "1")));
    let option = header.format == ContextFormat::GcpTrace && !plain;
    let unsampled = option && hop.tap().announced.is_none() && parent_based && context.sampled != Some(true);
    unsampled.then(|| ("no span: bit 0 of the option is not set".to_owned(), "a SERVER span".to_owned()))
}

/// The trace id that a header seems to carry, even where it is malformed; in lower case.
fn trace_in(header: &ContextHeader<'_>) -> Option<String> {
    let digits = match header.format {
        ContextFormat::Tracecontext => header.value.split('-').nth(1)?,
        ContextFormat::GcpTrace => header.value.trim().split(['/', ';']).next()?,
    };
    Some(digits.to_ascii_lowercase())
}
