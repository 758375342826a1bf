//! An HTTP span lacks a label that every HTTP span has.

use spanwise_model::{Evidence, Level, SpanKind};

use super::missing;
use crate::semconv::Protocol;
use crate::{Check, Family, Findings, Index, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "required-http-label-missing",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["same-protocol-different-labels"],
    explanation: r#"
## What it checks

An HTTP SERVER span has the request method, `url.path` and `url.scheme`; an HTTP CLIENT span the method,
`server.address`, `server.port` and `url.full`. Both have the status code when a response came. A name of an older
version of the conventions is enough here, and so are Cloud Trace's own `/http/…` labels.

## Why it matters

These are the labels that queries and dashboards filter by: "all requests to /greet that failed", "calls to
billing.example.com". A span without them is in the trace, but in no answer.

## Bad

```trace
driver CLIENT "GET /users/{id}" 200
  api-service SERVER "GET /users/{id}" 200 !url.path
```

## Good

```trace
driver CLIENT "GET /users/{id}" 200
  api-service SERVER "GET /users/{id}" 200 url.path="/users/7"
    api-service CLIENT "GET" 200
```

## How to fix

- Rust: set the fields in `TraceLayer::make_span_with`; `tower_http`'s default span has `method` and `uri`, which no
  convention knows.
- Python: `FastAPIInstrumentor`, `FlaskInstrumentor` and `RequestsInstrumentor` set them; for the current names set
  `OTEL_SEMCONV_STABILITY_OPT_IN=http`.
- Go: wrap handlers with `otelhttp.NewHandler` and transports with `otelhttp.NewTransport`.
- Node: load `@opentelemetry/instrumentation-http` before anything that requires `http`.
- Java: use the agent, or `HttpServerAttributesExtractor` and `HttpClientAttributesExtractor` in an `Instrumenter`.

## References

- Semantic conventions for HTTP spans, sections "HTTP client span" and "HTTP server span", requirement levels:
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    missing(index, findings, Protocol::Http, |kind, label| match (label, kind) {
        ("http.request.method", _) => "its method",
        ("url.path", _) => "the path of the request",
        ("url.scheme", _) => "whether the request came by http or https",
        ("http.response.status_code", SpanKind::Server) => "the status code it answered with",
        ("http.response.status_code", _) => "the status code of the answer",
        ("server.address", _) => "the host it called",
        ("server.port", _) => "the port it called",
        _ => "the URL it called",
    });
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::labels;

    #[test]
    fn missing_labels() {
        for (text, expected) in [
            (r#"api SERVER "POST /greet" 200"#, vec![]),
            (
                r#"api SERVER "POST /greet" 200 !http.request.method !url.scheme"#,
                vec!["http.request.method", "url.scheme"],
            ),
            // Older names, and Cloud Trace's.
            (r#"api SERVER "POST" 200 !url.path http.target="/greet?x=1""#, vec![]),
            (r#"api SERVER "POST" 200 !url.path !url.scheme http.url="http://h/greet""#, vec![]),
            (
                r#"api SERVER "POST" !http.request.method !url.path !url.scheme /http/method="POST" /http/path="/x" /http/client_protocol="http" /http/status_code=200"#,
                vec![],
            ),
            // The status code is due when a response came.
            (r#"api SERVER "POST /greet""#, vec!["http.response.status_code"]),
            (r#"api SERVER "POST /greet" status=ERROR error.type="_OTHER""#, vec![]),
            (r#"api CLIENT "POST" error.type="ConnectError""#, vec![]),
            ("api SERVER \"POST /greet\"\n  api CLIENT \"a.B/C\" CANCELLED", vec![]),
            ("api SERVER \"POST /greet\" 200\napi SERVER \"POST /greet\"", vec![]),
            ("api SERVER \"POST /greet\" 200\napi CLIENT \"POST\"", vec!["http.response.status_code"]),
            (r#"api CLIENT "POST" 200 !url.full !server.address"#, vec!["server.address", "url.full"]),
            // The old conventions did not ask for a port beside the URL; no conventions ask for that of the scheme.
            (r#"api CLIENT "POST" 200 !url.full !server.port http.url="https://h.example/x:1""#, vec![]),
            (r#"api CLIENT "POST" 200 !url.full !server.port http.url="https://h.example:444/x""#, vec![]),
            (r#"api CLIENT "POST" 200 !url.full !server.port /http/url="https://h.example:444/x""#, vec![]),
            (r#"api CLIENT "POST" 200 !server.port url.full="https://h.example/x:1""#, vec![]),
            (r#"api CLIENT "POST" 200 !server.port url.full="https://h.example:444/x""#, vec!["server.port"]),
            (r#"api CLIENT "POST" 200 !server.port !url.full"#, vec!["server.port", "url.full"]),
            // A WebSocket is no request.
            (r#"api SERVER "/ws" 101 http.scheme="ws" http.target="/ws""#, vec![]),
            (r#"api SERVER "/ws" 101 http.url="wss://h/ws""#, vec![]),
            (r#"api SERVER "/ws" 101 http.url="https://h/ws""#, vec!["http.request.method"]),
            // Databases have conventions of their own.
            (r#"api CLIENT "search" db.system.name="elasticsearch" http.request.method="POST""#, vec![]),
        ] {
            assert_eq!(labels("required-http-label-missing", text), expected, "{text}");
        }
    }

    #[test]
    fn the_exchange_says_whether_a_response_came() {
        let span = "api SERVER \"POST /greet\"\nwire:\n  driver -> api http/1.1 ";
        for (exchange, expected) in [
            ("\"POST\" \"/greet\" 200 traceparent: T1-S1-01", vec!["http.response.status_code"]),
            ("\"POST\" \"/greet\" no-answer canceled traceparent: T1-S1-01", vec![]),
        ] {
            let text = format!("driver CLIENT \"POST /greet\" id=S1 result=\"gone\"\n  {span}{exchange}");
            assert_eq!(labels("required-http-label-missing", &text), expected, "{text}");
        }
    }
}
