//! A service could not connect to another, and no span says so.

use std::cell::LazyCell;

use foldhash::HashSet;
use spanwise_model::{Evidence, GrpcCode, Level, Span, SpanKind, StatusCode};

use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule, outcome};

pub(crate) static RULE: Rule = Rule {
    name: "connection-failure-unmarked",
    family: Family::Status,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["grpc-client-error-unset"],
    explanation: r#"
## What it checks

A call that never got a connection (a wrong host name, a refused port, a certificate that is not trusted) has a CLIENT span,
and that span has status ERROR. Such a call is known by what the service wrote about it (exception, status, answer, a log line
of the request), or by a CLIENT span without an answer whose call no front saw.

## Why it matters

These are the failures of the first deployment, and the only ones without a second side: no server has a span of them. If the
caller's span is missing or looks healthy, the trace shows a service that fails for no reason.

## Bad

```trace
driver CLIENT "POST /greet" 503 id=S1
  api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
    api-service CLIENT "backend_service.v1.BackendService/Greet" UNAVAILABLE
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## Good

```trace
driver CLIENT "POST /greet" 503 id=S1
  api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
    api-service CLIENT "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
```

## How to fix

- Rust: start the span before the connection is made: the layer goes outside of `Channel`, which connects lazily, and sets the
  status for `Err` too.
- Python: instrument the client library, not the transport below it; an exception of `stub.Method()` must pass the span.
- Go: use the stats handler with `grpc.NewClient`; with `otelhttp.NewTransport` an error of `RoundTrip` marks the span.
- Node: handle `error` of the request, not only `response`; update the instrumentation.
- Java: end the span in `onClose` and in the `IOException` of the call alike; the agent does.

## References

- OpenTelemetry, Recording errors, section "What constitutes an error":
  <https://opentelemetry.io/docs/specs/semconv/general/recording-errors/>
- Semantic conventions for HTTP spans, section "Status": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/#status>
"#,
    check: Check::One(check),
};

/// What runtimes and libraries write when there is no connection, in lower case.
const FAILURES: [&str; 27] = [
    "connection refused",
    "connectionrefused",
    "econnrefused",
    "tcp connect error",
    "error trying to connect",
    "failed to connect",
    "connect timeout",
    "connection timed out",
    "etimedout",
    "no route to host",
    "network is unreachable",
    "dns error",
    "dns resolution failed",
    "failed to lookup address",
    "name resolution",
    "name or service not known",
    "nodename nor servname",
    "getaddrinfo",
    "enotfound",
    "no such host",
    "unknownhostexception",
    "invalid peer certificate",
    "certificate verify failed",
    "unable to verify the first certificate",
    "self-signed certificate",
    "pkix path building failed",
    "x509: ",
];

/// Log lines with such a word are about the export of telemetry, not about a request.
const OF_EXPORTERS: [&str; 4] = ["export", "otlp", "telemetry", "cloudtrace"];

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let calls = LazyCell::new(|| Calls::new(index));
    for node in index.nodes() {
        match node.kind {
            SpanKind::Client => check_client(index, node, findings),
            SpanKind::Server if failed(node) => check_server(&calls, node, findings),
            _ => {}
        }
    }
}

/// What services called, and what they logged of failed connections.
struct Calls<'i> {
    /// SERVER spans below which there is a CLIENT span of the same process.
    with_span: HashSet<usize>,
    /// Services with CLIENT spans of which it cannot be said what they belong to.
    loose: HashSet<&'i str>,
    /// Callers and the requests for which a front saw their calls; `None` where that is not known.
    seen: HashSet<(&'i str, Option<usize>)>,
    /// Log lines about failed connections, with who wrote them.
    lines: Vec<(&'i str, &'i str)>,
    only_request: bool,
}

impl<'i> Calls<'i> {
    fn new(index: &'i Index<'_>) -> Calls<'i> {
        let clients = || index.nodes().filter(|node| node.kind == SpanKind::Client);
        let lines = index.observation.logs.iter().map(|record| (&*record.source.service, &*record.line));
        let is_about_it =
            |(_, line): &(&str, &str)| contains_any(line, &FAILURES) && !contains_any(line, &OF_EXPORTERS);
        Calls {
            with_span: clients().filter_map(|node| node.serving()).map(Node::at).collect(),
            loose: clients().filter(|node| node.serving().is_none()).filter_map(Node::service).collect(),
            seen: index.inner_hops().filter_map(|hop| Some((hop.from()?, hop.request()))).collect(),
            lines: lines.filter(is_about_it).collect(),
            only_request: index.observation.requests.len() == 1,
        }
    }

    /// Whether the service made calls for this request, or calls of which it cannot be said for which.
    fn any(&self, server: Node<'_>) -> bool {
        let Some(service) = server.service() else { return true };
        self.with_span.contains(&server.at())
            || self.loose.contains(service)
            || self.seen.contains(&(service, None))
            || self.seen.contains(&(service, server.request()))
    }

    /// What the service logged of it while it worked on this request.
    fn logged(&self, server: Node<'_>) -> Option<String> {
        let trace = server.trace_id.to_string();
        let mut own = self.lines.iter().filter(|(service, _)| server.service() == Some(service));
        own.find(|(_, line)| self.only_request || line.contains(&trace)).map(|(_, line)| (*line).to_owned())
    }
}

/// A CLIENT span whose call did not get through.
fn check_client(index: &Index<'_>, node: Node<'_>, findings: &mut Findings<'_>) {
    if was_answered(node) || !failed_to_connect(index, node) {
        return;
    }
    findings.looked();
    if node.status.code != StatusCode::Unset {
        return;
    }
    let target = semconv::text(node.span(), semconv::SERVER_ADDRESS).unwrap_or("the called service");
    let report = findings
        .on_span(
            node,
            format!("The call never got a connection to {target}, but its span is not marked as an error."),
        )
        .expected("status ERROR")
        .actual("status UNSET");
    if let Some(text) = reason(node.span()) {
        report.fact("reason", text);
    }
}

/// Whether anything shows that somebody took the call.
fn was_answered(node: Node<'_>) -> bool {
    let led_somewhere =
        node.children().any(|child| child.kind == SpanKind::Server || child.kind == SpanKind::Client);
    let has_code = match outcome::protocol(node) {
        Some(Protocol::Grpc) => {
            let by_client =
                |code| matches!(code, GrpcCode::Unavailable | GrpcCode::Unknown | GrpcCode::Internal);
            semconv::grpc_status(node.span()).is_some_and(|code| !by_client(code))
        }
        _ => semconv::named(node.span(), semconv::HTTP_STATUS).is_some(),
    };
    node.sent().next().is_some() || led_somewhere || has_code
}

/// Whether a call that nobody answered had no connection: its span says so, or no front saw it and the request that it was
/// made for failed.
fn failed_to_connect(index: &Index<'_>, node: Node<'_>) -> bool {
    if reason(node.span()).is_some() {
        return true;
    }
    // Only where every exchange was seen does it mean something that there was none.
    let Some(protocol) = outcome::protocol(node).filter(|_| index.has(Evidence::Wire)) else { return false };
    match (protocol, semconv::grpc_status(node.span())) {
        (Protocol::Grpc, Some(code)) => code == GrpcCode::Unavailable,
        (Protocol::Grpc, None) => node.serving().is_some_and(failed),
        (Protocol::Http, _) => node.attribute("error.type").is_some() || node.serving().is_some_and(failed),
    }
}

/// A failed SERVER span that failed because of a connection, although it made no call that has a span.
fn check_server(calls: &Calls<'_>, node: Node<'_>, findings: &mut Findings<'_>) {
    if calls.any(node) {
        return;
    }
    let Some(text) = reason(node.span()).or_else(|| answered_reason(node)).or_else(|| calls.logged(node))
    else {
        return;
    };
    findings.looked();
    findings
        .on_span(
            node,
            "The service failed because it could not connect to another, but there is no span of that call.",
        )
        .expected("a CLIENT span with status ERROR")
        .actual("none")
        .fact("reason", text);
}

/// Whether a request ended with an error of its server.
fn failed(server: Node<'_>) -> bool {
    let wire = outcome::answer(server).map(|hop| hop.tap());
    let http = wire.and_then(|tap| tap.status).or_else(|| semconv::http_status(server.span()));
    let grpc = wire.and_then(|tap| tap.grpc_status()).or_else(|| semconv::grpc_status(server.span()));
    http.is_some_and(|code| code >= 500) || grpc.is_some_and(GrpcCode::is_server_error)
}

/// What a span says of a failed connection: in its status, in an exception, in `error.type`.
fn reason(span: &Span) -> Option<String> {
    let events = span.events.iter().filter(|event| event.name == "exception");
    // A stack trace names what was only on the way, the function that connects among it.
    let said = |key: &str| matches!(key, "exception.type" | "exception.message");
    let labels = events.flat_map(|event| &event.attributes).filter(|(key, _)| said(key));
    let exceptions = labels.filter_map(|(_, value)| value.as_str());
    let texts =
        [Some(span.status.message.as_str()), span.text("error.type")].into_iter().flatten().chain(exceptions);
    texts.into_iter().find_map(known)
}

/// What the answer of a gRPC service says of it.
fn answered_reason(server: Node<'_>) -> Option<String> {
    let tap = outcome::answer(server)?.tap();
    let headers = tap.trailers.iter().chain(&tap.response_headers);
    let message = headers.into_iter().find(|header| header.name == "grpc-message")?;
    known(&message.value.replace("%20", " "))
}

/// The text itself, if it is about a failed connection.
fn known(text: &str) -> Option<String> {
    contains_any(text, &FAILURES).then(|| text.to_owned())
}

fn contains_any(text: &str, words: &[&str]) -> bool {
    let text = text.to_lowercase();
    words.iter().any(|word| text.contains(word))
}
