//! The two ends of a call do not say the same of it.

use spanwise_model::{End, Evidence, Level, SpanKind};

use crate::conventions::protocol;
use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Hop, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "label-values-disagree",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

The CLIENT span and the SERVER span of one call name the same method and, where the answer passed the wire as it was, the
same status code. What a SERVER span says of scheme and port fits the `Host`, `X-Forwarded-*` and `Forwarded` headers that
the service received; this part is a warning.

## Why it matters

Whoever follows a failed call from the caller to the called service looks for the same status and the same method there.
A server that says `http` and 8080 behind a front end that was called by `https` and 443 names an address that nobody can
call.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "PUT" 200
      mail-service SERVER "POST /mails" 200
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "POST" 200 id=S1
      mail-service SERVER "POST /mails" 200 server.port=8080
wire:
  api-service -> mail-service http/1.1 authority="mail-service:8080" traceparent: T1-S1-01
```

## How to fix

- Rust: read method and status from the `http::Request` and the final `http::Response`, outside of layers that change them.
- Python: behind a front end run uvicorn with `--proxy-headers`, or wrap the app in Werkzeug's `ProxyFix`.
- Go: set labels from `r.Host` and `X-Forwarded-Proto`, not from the listener's address.
- Node: `app.set("trust proxy", true)` in Express; do not override `http.request.method` in `requestHook`.
- Java: turn on `server.forward-headers-strategy=framework` in Spring; the agent reads the forwarded headers itself.

## References

- Semantic conventions for HTTP spans, section "Setting `server.address` and `server.port` attributes":
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
- Semantic conventions for gRPC, section "Spans", `rpc.response.status_code`: <https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    for node in index.nodes() {
        let Some(protocol) = protocol(node) else { continue };
        if node.kind == SpanKind::Client {
            compare_ends(findings, node, protocol);
        } else if let Some(hop) = node.came_by().filter(|_| protocol == Protocol::Http) {
            compare_with_headers(findings, node, hop);
        }
    }
}

/// Compares a CLIENT span with the SERVER spans that answered it.
fn compare_ends(findings: &mut Findings<'_>, client: Node<'_>, spoken: Protocol) {
    let answers = client.children().filter(|child| {
        child.kind == SpanKind::Server
            && child.same_process(client) != Some(true)
            && protocol(*child) == Some(spoken)
    });
    // The first of them: one that follows a redirect may have another method.
    let Some(first) = answers.min_by_key(|child| child.start) else { return };
    if let [Some(called), Some(served)] = [client, first].map(|node| method(node, spoken)) {
        findings.looked();
        if called != served {
            report(findings, client, first, method_label(spoken), "method", [&called, &served]);
        }
    }
    let last = client.sent().last().filter(|hop| is_answer(client, *hop));
    let Some(last) = last.and_then(Hop::server).filter(|server| protocol(*server) == Some(spoken)) else {
        return;
    };
    if let [Some(received), Some(sent)] = [client, last].map(|node| status(node, spoken)) {
        findings.looked();
        if received != sent {
            report(findings, client, last, status_label(spoken), "status code", [&received, &sent]);
        }
    }
}

/// Whether the caller got the answer of an exchange as it was.
fn is_answer(client: Node<'_>, hop: Hop<'_>) -> bool {
    let tap = hop.tap();
    // A status that the caller made itself (its deadline, a message it could not read) is not on the wire.
    let as_received = match tap.grpc_status() {
        Some(code) => semconv::grpc_status(client.span()) == Some(code),
        None => !tap.is_grpc(),
    };
    tap.end == End::Complete && !tap.answered_by_front && as_received
}

fn report(
    findings: &mut Findings<'_>,
    client: Node<'_>,
    server: Node<'_>,
    label: &str,
    what: &str,
    [at_client, at_server]: [&str; 2],
) {
    let (caller, called) = (super::service(client), super::service(server));
    let message = format!(
        "{caller} says that the {what} of its call was {at_client}, {called} says that it was {at_server}."
    );
    let report = findings.on_span(client, message).reaches_span(server);
    let report =
        report.expected("the same value at both ends").actual(format!("{at_client} and {at_server}"));
    report.fact("label", label).fact("called_service", called);
}

fn method(node: Node<'_>, protocol: Protocol) -> Option<String> {
    let method = match protocol {
        Protocol::Http => semconv::http_method(node.span()).map(str::to_owned),
        Protocol::Grpc => semconv::rpc_method(node.span()),
    };
    method.filter(|method| method != "_OTHER")
}

fn status(node: Node<'_>, protocol: Protocol) -> Option<String> {
    match protocol {
        Protocol::Http => semconv::http_status(node.span()).map(|status| status.to_string()),
        Protocol::Grpc => semconv::grpc_status(node.span()).map(|code| code.as_str().to_owned()),
    }
}

fn method_label(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Http { semconv::HTTP_METHOD[0] } else { "rpc.method" }
}

fn status_label(protocol: Protocol) -> &'static str {
    if protocol == Protocol::Http { semconv::HTTP_STATUS[0] } else { semconv::GRPC_STATUS[0] }
}

/// Compares scheme and port with what the service received.
fn compare_with_headers(findings: &mut Findings<'_>, server: Node<'_>, hop: Hop<'_>) {
    let tap = hop.tap();
    let forwarded = |key: &str| forwarded(tap.request_header("forwarded")?, key);
    let proto = tap.request_header("x-forwarded-proto").map(first).or_else(|| forwarded("proto"));
    let scheme = semconv::text(server.span(), semconv::URL_SCHEME);
    if let (Some(proto), Some(scheme)) = (proto, scheme) {
        findings.looked();
        if !proto.eq_ignore_ascii_case(scheme) {
            let message =
                format!("The request came by {proto}, as its headers say, but the span says {scheme}.");
            let report = findings.on_span(server, message).level(Level::Warning).hop(hop);
            report.expected(proto).actual(scheme).fact("label", semconv::URL_SCHEME[0]);
        }
    }
    let Some(port) = server.attribute(semconv::SERVER_PORT[0]).and_then(|value| value.as_int()) else {
        return;
    };
    let hosts =
        [Some(tap.authority.as_str()), tap.request_header("x-forwarded-host").map(first), forwarded("host")];
    let ports = hosts.into_iter().flatten().filter(|host| !host.is_empty()).map(port_of);
    let ports: Vec<i64> = ports
        .chain(tap.request_header("x-forwarded-port").map(|port| first(port).parse().ok()))
        .flatten()
        .collect();
    let has_default = hosts.into_iter().flatten().any(|host| !host.is_empty() && port_of(host).is_none());
    if !has_default && ports.is_empty() {
        return;
    }
    findings.looked();
    let fits = ports.contains(&port) || (has_default && matches!(port, 80 | 443));
    if !fits {
        let called = ports.first().map_or("the port of the scheme".to_owned(), |port| format!("port {port}"));
        let message =
            format!("The request was sent to {called}, as its headers say, but the span says {port}.");
        let report = findings.on_span(server, message).level(Level::Warning).hop(hop);
        report.expected(called).actual(port).fact("label", semconv::SERVER_PORT[0]);
    }
}

/// The first entry of a header that every proxy adds one to.
fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default().trim()
}

/// A field of the first entry of a `Forwarded` header (RFC 7239).
fn forwarded<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let mut fields = first(header).split(';').filter_map(|field| field.trim().split_once('='));
    fields.find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value.trim_matches('"'))
}

/// The port of `host:port`.
fn port_of(host: &str) -> Option<i64> {
    let behind_address = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    behind_address.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

#[cfg(test)]
mod tests {
    use spanwise_model::{Verdict, notation};

    use crate::rules::labels::testing::labels;
    use crate::{Engine, Profile};

    #[test]
    fn both_ends() {
        for (client, server, expected) in [
            (r#"CLIENT "POST" 200"#, r#"SERVER "POST /x" 200"#, vec![]),
            (r#"CLIENT "PUT" 200"#, r#"SERVER "POST /x" 200"#, vec!["http.request.method"]),
            (r#"CLIENT "HTTP" 200 http.request.method="_OTHER""#, r#"SERVER "POST /x" 200"#, vec![]),
            (r#"CLIENT "a.B/C" OK"#, r#"SERVER "a.B/D" OK"#, vec!["rpc.method"]),
            (
                r#"CLIENT "a.B/C" OK"#,
                r#"SERVER "/a.B/C" OK rpc.system="grpc" rpc.service="a.B" rpc.method="C""#,
                vec![],
            ),
            // Without the exchange nobody knows what was sent.
            (r#"CLIENT "a.B/C" DEADLINE_EXCEEDED"#, r#"SERVER "a.B/C" OK"#, vec![]),
        ] {
            let text = format!("one {client}\n  two {server}");
            assert_eq!(labels("label-values-disagree", &text), expected, "{text}");
        }
    }

    #[test]
    fn with_nothing_to_compare_it_is_not_applicable() {
        let ends = |labels: &str| format!("one CLIENT \"a.B/C\" {labels}\n  two SERVER \"a.B/C\" {labels}");
        let wire = |scheme: &str| {
            format!(
                "driver CLIENT \"GET /x\" 200 id=S1\n  api SERVER \"GET /x\" 200\nwire:\n  driver -> api http/1.1 {scheme} traceparent: T1-S1-01"
            )
        };
        for (text, expected) in [
            (ends("OK"), Verdict::Pass),
            (ends("OK !rpc.method"), Verdict::NotApplicable),
            (wire(""), Verdict::NotApplicable),
            (wire("x-forwarded-proto: http"), Verdict::Pass),
        ] {
            let observation = notation::parse(&text).expect("a text in the notation");
            let verdicts = Engine::new(Profile::Otel).check(&observation).verdicts;
            assert_eq!(verdicts["label-values-disagree"], expected, "{text}");
        }
    }

    #[test]
    fn what_the_headers_say() {
        for (server, headers, expected) in [
            ("", "authority=\"h\"", vec![]),
            ("server.port=80", "authority=\"h\"", vec![]),
            ("server.port=443", "authority=\"h:443\"", vec![]),
            ("server.port=8080", "authority=\"h\"", vec!["server.port"]),
            ("server.port=8080", "authority=\"[::1]:8081\"", vec!["server.port"]),
            ("server.port=8080", "authority=\"[::1]:8081\" x-forwarded-port: 8080", vec![]),
            ("server.port=443", "authority=\"h:81\" forwarded: \"for=1.2.3.4;host=h;proto=http\"", vec![]),
            ("", "authority=\"h\" x-forwarded-proto: https", vec!["url.scheme"]),
            ("url.scheme=\"https\"", "authority=\"h\" x-forwarded-proto: \"https,http\"", vec![]),
        ] {
            let text = format!(
                "driver CLIENT \"GET /x\" 200 id=S1\n  api SERVER \"GET /x\" 200 {server}\nwire:\n  driver -> api http/1.1 {headers} traceparent: T1-S1-01"
            );
            assert_eq!(labels("label-values-disagree", &text), expected, "{text}");
        }
    }
}
