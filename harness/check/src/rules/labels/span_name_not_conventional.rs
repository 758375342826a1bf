//! A span is not named as the conventions of its protocol say.

use spanwise_model::{Evidence, Level, SpanKind};

use super::{Alike, on_spans, requests, service};
use crate::conventions::{METHODS, is_grpc_method};
use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "span-name-not-conventional",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

An HTTP SERVER span is named `{method} {route}`, or `{method}` where no route matched; an HTTP CLIENT span `{method}`, or
that with the template of the URL. A method that the conventions do not know is `HTTP`. A gRPC span is named
`package.Service/Method`. The tracing built into gRPC libraries itself names spans `Sent.…` and `Recv.…`; that is reported
once a service, as information.

## Why it matters

The name is what people read in the list of traces. If one service says `/greet`, the next `POST /greet` and the third
`HTTP POST`, the same request has three names, and the two ends of a call do not look like one.

## Bad

```trace
driver CLIENT "backend_service.v1.BackendService/Greet" OK
  backend-service SERVER "/backend_service.v1.BackendService/Greet" OK
    | rpc.system.name="grpc" rpc.method="backend_service.v1.BackendService/Greet"
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
```

## How to fix

- Rust: strip the leading slash of `request.uri().path()`; for HTTP write `format!("{method} {route}")`.
- Python: the gRPC instrumentation keeps the slash: take it off in a span processor's `on_start` with `span.update_name`.
- Go: `otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string { return r.Method + " " + route(r) })`.
- Node: `@opentelemetry/instrumentation-grpc` says `grpc.package.Service/Method`: rename in a span processor.
- Java: drop custom `SpanNameExtractor`s; `HttpSpanNameExtractor` and `RpcSpanNameExtractor` follow the conventions.

## References

- Semantic conventions for HTTP spans, section "Name": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
- Semantic conventions for RPC spans, section "Name": <https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/>
- gRPC proposal A72, "OpenTelemetry Tracing": <https://github.com/grpc/proposal/blob/master/A72-open-telemetry-tracing.md>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut wrong: Alike<'_, (Option<&str>, &str, String)> = Alike::default();
    let mut native: Alike<'_, Option<&str>> = Alike::default();
    for (node, protocol) in requests(index, findings) {
        findings.looked();
        if is_native(node) {
            native.entry((index.apart(node), node.service())).or_default().push(node);
            continue;
        }
        let expected = match protocol {
            Protocol::Http => expected_of_http(node),
            Protocol::Grpc => expected_of_grpc(node),
        };
        if let Some(expected) = expected {
            wrong
                .entry((index.apart(node), (node.service(), &node.span().name, expected)))
                .or_default()
                .push(node);
        }
    }
    for ((_, (_, name, expected)), nodes) in wrong {
        let (service, kind) = (service(nodes[0]), nodes[0].kind.as_str());
        let message =
            format!("{service} names a {kind} span \"{name}\"; other services would name it {expected}.");
        on_spans(findings, &nodes, message).expected(expected).actual(name);
    }
    for (_, nodes) in native {
        let message = format!(
            "{} names its gRPC spans as gRPC itself does, not as OpenTelemetry does.",
            service(nodes[0])
        );
        on_spans(findings, &nodes, message)
            .level(Level::Information)
            .expected("package.Service/Method")
            .actual(&nodes[0].name)
            .fact("dialect", "grpc-native");
    }
}

/// What the name should be, if it is not.
fn expected_of_http(node: Node<'_>) -> Option<String> {
    let known = |method: &&str| METHODS.contains(method);
    // The first word must be the method that the label says, `HTTP` where it is not known.
    let method = match semconv::http_method(node.span()) {
        Some(method) if known(&method) => method,
        Some("_OTHER") => "HTTP",
        Some(_) | None => return None,
    };
    let target = match node.kind {
        SpanKind::Server => semconv::http_route(node.span()),
        _ => node.text("url.template"),
    };
    let expected = target.map_or_else(|| method.to_owned(), |target| format!("{method} {target}"));
    let fits = match node.name.split_once(' ') {
        None => node.name == method,
        // Hooks may name another target where no route is known; a URL is none.
        Some((first, rest)) => {
            first == method && target.map_or(!rest.contains("://"), |target| rest == target)
        }
    };
    (!fits).then_some(expected)
}

/// What the name should be, if it is not.
fn expected_of_grpc(node: Node<'_>) -> Option<String> {
    let method = semconv::rpc_method(node.span()).filter(|method| is_grpc_method(method));
    let fits = match &method {
        Some(method) => node.name == *method,
        // Where the method is not known, the system stands for it.
        None => is_conventional_grpc(&node.name) || node.name == "grpc",
    };
    (!fits).then(|| method.unwrap_or_else(|| "package.Service/Method".to_owned()))
}

fn is_conventional_grpc(name: &str) -> bool {
    is_grpc_method(name)
        && !["grpc.", "Sent.", "Recv.", "Attempt."].iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the gRPC library itself made the span (gRPC proposal A72).
fn is_native(node: Node<'_>) -> bool {
    // Scopes are called grpc-go, grpc-java, grpc-c++.
    let of_library = node.scope.name.starts_with("grpc-");
    of_library && ["Sent.", "Recv.", "Attempt."].iter().any(|prefix| node.name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn names() {
        let http = r#"http.request.method="POST""#;
        for (text, expected) in [
            (r#"api SERVER "POST /greet" 200"#.to_owned(), None),
            (r#"api SERVER "POST" 200 http.route="/greet""#.to_owned(), None),
            (format!(r#"api SERVER "/greet" 200 {http} http.route="/greet""#), Some("POST /greet")),
            (format!(r#"api SERVER "HTTP POST" 200 {http}"#), Some("POST")),
            (r#"api SERVER "POST /greet" 200 http.route="/other""#.to_owned(), Some("POST /other")),
            (
                r#"api SERVER "HTTP /greet" 200 http.request.method="_OTHER" http.route="/greet""#.to_owned(),
                None,
            ),
            (r#"api SERVER "BREW" 200 http.request.method="_OTHER""#.to_owned(), Some("HTTP")),
            (r#"api CLIENT "POST" 200"#.to_owned(), None),
            (r#"api CLIENT "POST /users/{id}" 200 url.template="/users/{id}""#.to_owned(), None),
            (format!(r#"api CLIENT "POST http://h/greet" 200 {http}"#), Some("POST")),
            (r#"api CLIENT "a.B/C" OK"#.to_owned(), None),
            (
                r#"api CLIENT "/a.B/C" OK rpc.system="grpc" rpc.service="a.B" rpc.method="C""#.to_owned(),
                Some("a.B/C"),
            ),
            (r#"api CLIENT "grpc.a.B/C" OK rpc.method="a.B/C""#.to_owned(), Some("a.B/C")),
            (r#"api CLIENT "Sent.a.B/C" OK !rpc.method"#.to_owned(), Some("package.Service/Method")),
            (
                r#"api SERVER "grpc" UNIMPLEMENTED rpc.system.name="grpc" rpc.method="_OTHER""#.to_owned(),
                None,
            ),
            (r#"api INTERNAL "anything at all""#.to_owned(), None),
        ] {
            let found = findings("span-name-not-conventional", &text);
            let expects = found.first().and_then(|finding| finding.expected.as_deref());
            assert_eq!(expects, expected, "{text}");
        }
    }

    #[test]
    fn the_dialect_of_grpc_is_information_once() {
        let span =
            |name: &str| format!("api CLIENT \"Sent.{name}\" OK rpc.system.name=\"grpc\" scope=\"grpc-go\"");
        let found = findings("span-name-not-conventional", &format!("{}\n{}", span("a.B/C"), span("a.B/D")));
        assert_eq!(found.iter().map(|finding| finding.level.as_str()).collect::<Vec<_>>(), ["information"]);
    }
}
