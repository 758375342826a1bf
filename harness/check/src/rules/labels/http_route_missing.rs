//! An HTTP server span whose route was known does not say it.

use foldhash::HashSet;
use spanwise_model::{Evidence, Level, SpanKind};

use super::{Alike, maker, on_spans, requests, service};
use crate::conventions::METHODS;
use crate::semconv::{self, Protocol};
use crate::{Check, Family, Findings, Index, Node, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "http-route-missing",
    family: Family::Labels,
    level: Level::Warning,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

An HTTP SERVER span has `http.route` where its route was known: its name carries it, other spans of the same
instrumentation have theirs, or the suite says that the service sets it. Answers that never reach a route are left out:
401, 403, 404, 405, and OPTIONS; where only other spans tell, also redirections, 400 and 429.

## Why it matters

`/users/{id}` groups requests, `/users/7` does not. Latency by route, error rate by route, and sampling by route all
need this label; the name of the span is for people to read.

## Bad

```trace
driver CLIENT "GET /users/{id}" 200
  api-service SERVER "GET /users/{id}" 200 url.path="/users/7" !http.route
```

## Good

```trace
driver CLIENT "GET /users/{id}" 200
  api-service SERVER "GET /users/{id}" 200 url.path="/users/7"
driver CLIENT "GET" 404
  api-service SERVER "GET" 404 url.path="/nothing-here" !http.route
```

## How to fix

- Rust: with axum read the `MatchedPath` extension, in a layer put on with `Router::layer` or `route_layer`.
- Python: `FlaskInstrumentor` and `FastAPIInstrumentor` set it; a middleware of your own runs before the route is known.
- Go: `otelhttp` takes it from `Request.Pattern` (Go 1.23); for other routers use `otelgin`, `otelmux`, `otelecho`.
- Node: add `@opentelemetry/instrumentation-express` (fastify, koa) beside the one for `http`.
- Java: the agent takes it from the framework; else call `HttpServerRoute.update(context, source, route)`.

## References

- Semantic conventions for HTTP spans, section "HTTP server span": `http.route` is required "if and only if it's
  available": <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
"#,
    check: Check::One(check),
};

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let requests = requests(index, findings).into_iter();
    let requests =
        requests.filter(|(node, protocol)| node.kind == SpanKind::Server && *protocol == Protocol::Http);
    let servers: Vec<Node<'_>> = requests.map(|(node, _)| node).collect();
    let has_route = |node: &Node<'_>| semconv::named(node.span(), semconv::HTTP_ROUTE).is_some();
    let routing: HashSet<_> =
        servers.iter().filter(|node| has_route(node)).map(|node| maker(*node)).collect();
    let mut missing: Alike<'_, (Option<&str>, &str, bool)> = Alike::default();
    for node in servers.into_iter().filter(|node| may_have_route(*node)) {
        if has_route(&node) {
            findings.looked();
            continue;
        }
        let declared = node
            .service()
            .and_then(|service| index.observation.settings.service(service))
            .is_some_and(|facts| facts.declares_route);
        let was_known = declared || names_route(node);
        let is_likely = routing.contains(&maker(node)) && !ends_before_routes(node);
        if was_known || is_likely {
            findings.looked();
            let alike = (node.service(), node.span().name.as_str(), was_known);
            missing.entry((index.apart(node), alike)).or_default().push(node);
        }
    }
    for ((_, (_, name, was_known)), nodes) in missing {
        let service = service(nodes[0]);
        let message = if was_known {
            format!("{service} knew the route of \"{name}\" but did not put it into the label http.route.")
        } else {
            format!(
                "{service} does not say the route of \"{name}\": other spans of this instrumentation have http.route."
            )
        };
        let route = name.split_once(' ').filter(|_| names_route(nodes[0]));
        let route = route.map_or("the route, with placeholders", |(_, route)| route);
        on_spans(findings, &nodes, message).expected(route).actual("none").fact("label", "http.route");
    }
}

/// Whether the request got as far as a route.
fn may_have_route(node: Node<'_>) -> bool {
    let status = semconv::http_status(node.span());
    let turned_away = matches!(status, Some(401 | 403 | 404 | 405));
    !turned_away && semconv::http_method(node.span()) != Some("OPTIONS") && !node.name.starts_with("OPTIONS")
}

/// Whether something before the routes may have answered: a redirection to another spelling of the path or to HTTPS, a
/// parser, a limiter.
fn ends_before_routes(node: Node<'_>) -> bool {
    matches!(semconv::http_status(node.span()), Some(301 | 302 | 307 | 308 | 400 | 429))
}

/// Whether the name is a method and a path. A path as it was requested is no route, and `span-name-high-cardinality`.
fn names_route(node: Node<'_>) -> bool {
    let Some((method, target)) = node.name.split_once(' ') else { return false };
    let known = METHODS.contains(&method) || method == "HTTP";
    known && target.starts_with('/') && super::span_name_high_cardinality::varying_in_name(node).is_none()
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::{findings, labels};

    #[test]
    fn routes() {
        for (text, expected) in [
            (r#"api SERVER "GET /a" 200"#, 0),
            (r#"api SERVER "GET /a" 200 !http.route"#, 1),
            (r#"api SERVER "GET /a" 200 !http.route /http/route="/a""#, 0),
            (r#"api SERVER "GET /a/123456" 200 !http.route"#, 0),
            (r#"api SERVER "GET" 200 url.path="/a""#, 0),
            (r#"api SERVER "GET /a" 404 !http.route"#, 0),
            (r#"api SERVER "OPTIONS /a" 200 !http.route"#, 0),
            // Set by the same instrumentation elsewhere.
            ("api SERVER \"GET /a\" 200\napi SERVER \"GET\" 200 url.path=\"/b\"", 1),
            ("api SERVER \"GET /a\" 200\nother SERVER \"GET\" 200 url.path=\"/b\"", 0),
            ("api SERVER \"GET /a\" 200 scope=\"x\"\napi SERVER \"GET\" 200 url.path=\"/b\" scope=\"y\"", 0),
            ("api SERVER \"GET /a\" 200\napi SERVER \"GET\" 307 url.path=\"/b\"", 0),
            ("api SERVER \"GET /a\" 200\napi SERVER \"GET /b\" 307 !http.route", 1),
            // Declared by the suite.
            ("api SERVER \"GET\" 200 url.path=\"/b\"\nsettings:\n  service api http declares-route", 1),
        ] {
            assert_eq!(labels("http-route-missing", text).len(), expected, "{text}");
        }
    }

    #[test]
    fn a_finding_says_why_there_should_be_a_route() {
        for (second, expected) in [
            (r#"api SERVER "GET" 200 url.path="/b""#, "other spans of this instrumentation have http.route"),
            (r#"api SERVER "GET /b" 200 !http.route"#, "knew the route"),
        ] {
            let found = findings("http-route-missing", &format!("api SERVER \"GET /a\" 200\n{second}"));
            let [finding] = found.as_slice() else { panic!("{found:#?}") };
            assert!(finding.message.contains(expected), "{}", finding.message);
        }
    }
}
