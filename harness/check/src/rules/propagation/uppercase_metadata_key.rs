//! A gRPC metadata key has characters that gRPC forbids, upper-case letters most of all.

use std::collections::{BTreeMap, BTreeSet};

use spanwise_model::{Evidence, GrpcCode, HttpVersion, Level, SpanKind};

use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "uppercase-metadata-key",
    family: Family::Propagation,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[
        "unexpected-response",
        "context-not-sent",
        "hop-without-server-span",
        "entry-without-server-span",
    ],
    explanation: r#"
## What it checks

Keys of gRPC metadata consist of `0-9`, `a-z`, `_`, `-` and `.`. Most clients refuse to send anything else, so the defect
mostly shows as a call that never reached the wire, and a CLIENT span, a log line or a panic that carries a known refusal
("Illegal header key", "Invalid metadata", "illegal characters"). Where a key did get to the wire, it is seen there.

## Why it matters

A propagator that writes `X-Cloud-Trace-Context` works over HTTP/1.1, where case does not matter, and makes every gRPC
call fail before it is sent: tracing breaks the service.

## Bad

```trace
driver CLIENT "POST /greet" 500 id=S1
  api-service SERVER "POST /greet" 500 status=ERROR error.type="500"
    api-service CLIENT "backend_service.v1.BackendService/Greet" INTERNAL status=ERROR "Invalid metadata" error.type="INTERNAL"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 500 id=S1
  api-service SERVER "POST /greet" 500 status=ERROR error.type="500"
    api-service CLIENT "backend_service.v1.BackendService/Greet" INTERNAL status=ERROR "out of paper" error.type="INTERNAL" id=S3
      backend-service SERVER "backend_service.v1.BackendService/Greet" INTERNAL status=ERROR error.type="INTERNAL"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> backend-service h2c INTERNAL traceparent: T1-S3-01
```

## How to fix

- Rust: use `MetadataKey::from_bytes`, which lower-cases; `from_static` panics.
- Python: lower-case keys in the setter that is given to `inject`; update propagators from before 2021.
- Go: use `metadata.Pairs`, which lower-cases; a literal `metadata.MD{"X-…": …}` does not.
- Node: `Metadata.set` lower-cases; check hand-written HTTP/2 headers.
- Java: `Metadata.Key.of` lower-cases; check custom `TextMapSetter`s.

## References

- gRPC over HTTP/2, "Custom-Metadata": <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
"#,
    check: Check::One(check),
};

/// What clients say when they refuse a key, in lower case: all words of a line.
const REFUSALS: [&[&str]; 7] = [
    &["illegal header key"],
    &["invalid metadata"],
    &["metadata was invalid"],
    &["metadata key", "contains illegal characters"],
    &["header key", "contains illegal characters"],
    &["invalid grpc metadata key"],
    &["from_static with invalid bytes"],
];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut blamed: BTreeSet<&str> = BTreeSet::new();
    for hop in index.inner_hops().filter(|hop| hop.tap().is_grpc() || hop.tap().http == HttpVersion::Http2) {
        findings.looked();
        if let Some(key) = forbidden_key(hop) {
            blamed.extend(hop.from());
            let from = hop.from().unwrap_or("an unknown caller");
            findings
                .on_hop(hop, format!("{from} sent the metadata key {key}, which gRPC forbids."))
                .expected(key.to_ascii_lowercase())
                .actual(key)
                .fact("header", key);
        }
    }
    for client in index.nodes().filter(|node| node.kind == SpanKind::Client && node.sent().next().is_none()) {
        if semconv::protocol(client.span()) == Some(Protocol::Grpc) {
            findings.looked();
        }
        let Some(text) = refusal(client).filter(|_| may_be_refused(client)) else { continue };
        blamed.extend(client.service());
        let service = client.service().unwrap_or("the service");
        let mut report = findings
            .on_span(
                client,
                format!("A call of {service} was never sent: its client refused a metadata key."),
            )
            .expected("keys of 0-9, a-z, \"_\", \"-\" and \".\"")
            .actual(text);
        // What the whole request came to follows from it.
        if let Some(hop) = client.request().and_then(|request| index.entry(request)) {
            report = report.reaches_hop(hop);
        }
    }
    let mut lines: BTreeMap<&str, &str> = BTreeMap::new();
    for record in index.observation.logs.iter().filter(|record| is_logged_refusal(&record.line)) {
        lines.entry(&record.source.service).or_insert(&record.line);
    }
    for (service, line) in lines.into_iter().filter(|(service, _)| !blamed.contains(service)) {
        findings
            .on_service(service, format!("{service} wrote that its client refused a metadata key."))
            .expected("keys of 0-9, a-z, \"_\", \"-\" and \".\"")
            .actual(line);
    }
}

/// The first key of a call that gRPC forbids; names that begin with a colon are HTTP's own.
fn forbidden_key<'i>(hop: Hop<'i>) -> Option<&'i str> {
    let allowed = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || b"_-.:".contains(&b);
    let keys = hop.tap().request_headers.iter().map(|header| header.name.as_str());
    keys.into_iter().find(|key| !key.bytes().all(allowed))
}

/// The refusal that a span carries: in its status or in an exception.
fn refusal(client: Node<'_>) -> Option<&str> {
    let span = client.span();
    let exceptions = span.events.iter().flat_map(|event| &event.attributes);
    let messages =
        exceptions.filter(|(key, _)| key == "exception.message").filter_map(|(_, value)| value.as_str());
    std::iter::once(span.status.message.as_str()).chain(messages).find(|text| is_refusal(text))
}

fn is_refusal(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    REFUSALS.iter().any(|refusal| refusal.iter().all(|words| text.contains(words)))
}

/// In a log line nothing else tells that it is about gRPC.
fn is_logged_refusal(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    (lower.contains("metadata") || lower.contains("header key")) && is_refusal(line)
}

/// Whether a call is one of gRPC, as far as its labels say, and nobody answered it: stores and databases have metadata and
/// illegal characters of their own.
fn may_be_refused(client: Node<'_>) -> bool {
    let by_client = |code| matches!(code, GrpcCode::Unknown | GrpcCode::Internal | GrpcCode::Unavailable);
    let is_answered = client.children().any(|child| child.kind == SpanKind::Server)
        || semconv::grpc_status(client.span()).is_some_and(|code| !by_client(code));
    let namespaces = || client.span().attributes.iter().filter_map(|(key, _)| key.split('.').next());
    let is_other = || namespaces().any(|name| name == "http" || semconv::is_other_namespace(name));
    let is_grpc = match semconv::protocol(client.span()) {
        Some(protocol) => protocol == Protocol::Grpc,
        None => !semconv::is_of_other_conventions(client.span()) && !is_other(),
    };
    is_grpc && !is_answered
}
