//! A span's name holds what differs from request to request.

use spanwise_model::{Evidence, Level};

use super::{Alike, on_spans, service};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule, semconv};

pub(crate) static RULE: Rule = Rule {
    name: "span-name-high-cardinality",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &["span-name-not-conventional"],
    explanation: r#"
## What it checks

A span's name holds nothing that changes with every request: no query, no UUID, no long number or hexadecimal id, and not
the requested path in place of the route.

## Why it matters

Backends group, count and sample by name. A name with an id in it makes a group of one request each: the list of
operations grows without end, latency by operation says nothing, and some backends drop names beyond a limit.

## Bad

```trace
driver CLIENT "GET /users/7" 200
  api-service SERVER "GET /users/7" 200 http.route="/users/{id}"
```

## Good

```trace
driver CLIENT "GET /users/7" 200
  api-service SERVER "GET /users/{id}" 200 url.path="/users/7"
```

## How to fix

- Rust: name the span by the `MatchedPath` of axum, not by `request.uri().path()`.
- Python: leave the name to the instrumentation; in `server_request_hook` do not pass the URL to `span.update_name`.
- Go: `otelhttp.WithSpanNameFormatter` with `r.Pattern`, not with `r.URL.Path`.
- Node: in `requestHook` use `request.route.path`, not `request.url`.
- Java: `span.updateName` with the pattern, such as `BEST_MATCHING_PATTERN_ATTRIBUTE` of Spring.

## References

- OpenTelemetry specification, trace API, section "Span": the name should be "the most general string that identifies a
  (statistically) interesting class of Spans": <https://opentelemetry.io/docs/specs/otel/trace/api/#span>
- Semantic conventions for HTTP spans, section "Name": "MUST NOT default to using URI path as a `{target}`":
  <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
"#,
    check: Check::One(check),
};

/// Shorter numbers and hexadecimal words may be years, versions, or words.
const LONG_NUMBER: usize = 5;
const LONG_HEX: usize = 12;

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut varying: Alike<'_, (Option<&str>, &str, &str)> = Alike::default();
    for node in index.nodes() {
        findings.looked();
        let Some(part) = varying_in_name(node) else { continue };
        varying.entry((index.apart(node), (node.service(), &node.span().name, part))).or_default().push(node);
    }
    for ((_, (_, name, part)), nodes) in varying {
        let message = format!(
            "{} names a span \"{name}\": {part} differs from request to request, so no two of them group.",
            service(nodes[0])
        );
        let route = semconv::http_route(nodes[0].span()).filter(|route| varying_part(route).is_none());
        let expected = route.map_or("a name without it".to_owned(), |route| format!("a name with {route}"));
        on_spans(findings, &nodes, message).expected(expected).actual(name).fact("part", part);
    }
}

/// The part of a span's name that differs from request to request.
pub(super) fn varying_in_name<'i>(node: Node<'i>) -> Option<&'i str> {
    varying_part(&node.span().name).or_else(|| requested_path(node))
}

/// The part of a name that is a query or an id.
fn varying_part(name: &str) -> Option<&str> {
    query(name).or_else(|| {
        name.split(['/', ' ', '?', '&', '=', ',', ';', '(', ')', '[', ']']).find(|part| is_id(part))
    })
}

/// The query behind a path; the question marks of a statement are another matter.
fn query(name: &str) -> Option<&str> {
    let (path, query) = name.split_at(name.find('?')?);
    (path.contains('/') && query.contains('=') && !query.contains(' ')).then_some(query)
}

fn is_id(part: &str) -> bool {
    if part.len() < LONG_NUMBER {
        return false;
    }
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
    let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
    let is_uuid = || part.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && part.split('-').all(is_hex);
    is_number || is_uuid() || (has_digit && part.len() >= LONG_HEX && is_hex(part))
}

/// The requested path, where it is in the name although the route is another, or must be: it holds a number.
fn requested_path<'i>(node: Node<'i>) -> Option<&'i str> {
    let path = semconv::url_path(node.span())
        .or_else(|| semconv::called_path(node.span()))
        .filter(|path| path.len() > 1)?;
    let in_name = node.name.split(' ').any(|word| word == path);
    let is_route = match semconv::http_route(node.span()).or_else(|| node.text("url.template")) {
        Some(route) => node.name.contains(route),
        None => !has_number(path),
    };
    (in_name && !is_route).then_some(path)
}

/// Whether a part of a path is a number that is not the version of an interface.
fn has_number(path: &str) -> bool {
    let before = std::iter::once("").chain(path.split('/'));
    path.split('/')
        .zip(before)
        .any(|(part, before)| is_number(part) && !matches!(before, "api" | "rest" | "v"))
}

/// Whether a part of a path is a number, and not the page of an error.
fn is_number(part: &str) -> bool {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits && !matches!(part.parse(), Ok(400..=599))
}

#[cfg(test)]
mod tests {
    use super::varying_part;
    use crate::rules::labels::testing::findings;

    #[test]
    fn parts_of_names() {
        for (name, expected) in [
            ("GET /users/{id}", None),
            ("GET /users/:userID?", None),
            ("GET /v1/users", None),
            ("GET /oauth2/callback", None),
            ("GET /error/404", None),
            ("report 2026", None),
            ("backend_service.v1.BackendService/Greet", None),
            ("SELECT orders", None),
            ("GET /feedback", None),
            ("GET /greet?name=Ada", Some("?name=Ada")),
            ("GET /users/123456", Some("123456")),
            ("GET /users/7f3c2a1b-0d4e-4b6a-9c8d-112233445566", Some("7f3c2a1b-0d4e-4b6a-9c8d-112233445566")),
            ("GET /blobs/9f86d081884c7d65", Some("9f86d081884c7d65")),
            ("process order 100042", Some("100042")),
            ("SELECT * FROM t WHERE a = ? AND b = ?", None),
            ("SELECT a/b FROM t WHERE a=? AND b=?", None),
            ("?a=b", None),
        ] {
            assert_eq!(varying_part(name), expected, "{name}");
        }
    }

    #[test]
    fn the_path_in_place_of_the_route() {
        for (text, expected) in [
            (r#"api SERVER "GET /greet" 200"#, 0),
            (r#"api SERVER "GET /greet" 200 !http.route"#, 0),
            (r#"api SERVER "GET /error/404" 200 !http.route"#, 0),
            (r#"api SERVER "GET /users/7" 200 !http.route"#, 1),
            (r#"api SERVER "GET /rest/api/2/issue" 200 !http.route"#, 0),
            (r#"api SERVER "GET /rest/api/2/issue/7" 200 !http.route"#, 1),
            (r#"api CLIENT "GET /users/7" 200 url.full="http://h:80/users/7?x=1""#, 1),
            (r#"api CLIENT "GET /users" 200 url.full="http://h:80/users""#, 0),
            (r#"api SERVER "GET /users/7" 200 http.route="/users/{id}""#, 1),
            (r#"api SERVER "/users/7" 200 http.route="/users/{id}" url.path="/users/7""#, 1),
            (r#"api SERVER "GET /users/{id}" 200 url.path="/users/7""#, 0),
        ] {
            assert_eq!(findings("span-name-high-cardinality", text).len(), expected, "{text}");
        }
    }
}
