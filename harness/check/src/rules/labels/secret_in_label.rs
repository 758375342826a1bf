//! A secret stands in a label, a name, an event or a log line.

use spanwise_model::{Evidence, Level, Resource, Span, Value, secret};

use super::{Alike, on_spans, service};
use crate::{Check, Family, Findings, Index, Ordered, Profile, Rule};

pub(crate) static RULE: Rule = Rule {
    name: "secret-in-label",
    family: Family::Labels,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "0.1.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: r#"
## What it checks

No label, span name, event, status description or log line holds a token, an `Authorization` or `Cookie` header, an API key, a
password, or credentials in a URL. spanwise takes secrets out of all that it reads and keeps a placeholder; the finding
says of what kind each was and where it stood, and never shows it. In a text of several words, what only the word before it
makes a secret ("token", "Bearer") is a warning.

## Why it matters

Traces and logs are read by more people than the service's own data, kept for weeks, and sent to third parties. A token in
a label is a token that was handed out.

## Bad

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 http.request.header.authorization=["<bearer jwt sha256:0a1b2c3d iss=https://accounts.google.com>"]
```

## Good

```trace
driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 http.request.header.authorization=["REDACTED"]
```

## How to fix

- Rust: mark headers as sensitive (`HeaderValue::set_sensitive`) and record only those on a list; keep `skip(token)` on `#[instrument]`.
- Python: leave `authorization` and `cookie` out of `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST`, or name them in
  `OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS`.
- Go: record headers by a list of names; log `req.URL.Redacted()` in place of `req.URL.String()`.
- Node: keep `authorization` out of `headersToSpanAttributes`; set `redactedQueryParams` of the HTTP instrumentation.
- Java: leave them out of `otel.instrumentation.http.server.capture-request-headers`; URLs are redacted from agent 2.7 on.

## References

- Semantic conventions, attribute `url.full`, on credentials and query parameters:
  <https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/>
- OpenTelemetry, "Handling sensitive data": <https://opentelemetry.io/docs/security/handling-sensitive-data/>
"#,
    check: Check::One(check),
};

/// Where a secret stood, its kind, and whether it is certain that it is one.
type Place<'i> = (String, &'i str, bool);

fn check(index: &Index<'_>, findings: &mut Findings<'_>) {
    let mut held: Alike<'_, (Option<&str>, Place<'_>)> = Alike::default();
    // Spans that came together share a resource: one without a secret needs no second look.
    let mut clean: Option<&Resource> = None;
    for node in index.nodes() {
        findings.looked();
        let resource = &*node.span().resource;
        if !clean.is_some_and(|clean| std::ptr::eq(clean, resource)) {
            let mut holds = false;
            in_resource(resource, &mut |_, text| holds |= found(text).is_some());
            clean = (!holds).then_some(resource);
        }
        let mut see = |place: Where<'_>, text| {
            let Some((kind, certain)) = found(text) else { return };
            let alike = (node.service(), (place.to_string(), kind, certain));
            let nodes = held.entry((index.apart(node), alike)).or_default();
            if nodes.last() != Some(&node) {
                nodes.push(node);
            }
        };
        if clean.is_none() {
            in_resource(resource, &mut see);
        }
        in_span(node.span(), &mut see);
    }
    for ((_, (_, (place, kind, certain))), nodes) in held {
        let message = format!("{} exports {} in {place}.", service(nodes[0]), article(kind));
        let report = on_spans(findings, &nodes, message)
            .expected("no secret, or a redacted one")
            .actual(article(kind))
            .fact("kind", kind)
            .level(level(certain));
        if let Some(key) = place.strip_prefix("the label ") {
            report.fact("label", key);
        }
    }
    let mut logged: Ordered<(&str, &str, bool), i64> = Ordered::default();
    // What a command of the suite writes is nobody's log.
    for record in index.observation.logs.iter().filter(|record| !record.source.is_driver()) {
        findings.looked();
        if let Some((kind, certain)) = found(&record.line) {
            *logged.entry((&record.source.service, kind, certain)).or_default() += 1;
        }
    }
    for ((service, kind, certain), lines) in logged {
        findings
            .on_service(service, format!("{service} writes {} into its log.", article(kind)))
            .expected("no secret, or a redacted one")
            .actual(article(kind))
            .fact("kind", kind)
            .fact("lines", lines)
            .level(level(certain));
    }
}

/// Calls for every text of a span but those of its resource, with where it stands.
fn in_span<'i>(span: &'i Span, see: &mut dyn FnMut(Where<'i>, &'i str)) {
    see(Where::Name, &span.name);
    see(Where::Status, &span.status.message);
    let own = span.attributes.iter().chain(span.links.iter().flat_map(|link| &link.attributes));
    own.for_each(|(key, value)| in_value(key, value, see));
    for event in &span.events {
        see(Where::Event, &event.name);
        event.attributes.iter().for_each(|(key, value)| in_value(key, value, see));
    }
}

fn in_resource<'i>(resource: &'i Resource, see: &mut dyn FnMut(Where<'i>, &'i str)) {
    resource.attributes.iter().for_each(|(key, value)| in_value(key, value, see));
}

fn in_value<'i>(key: &'i str, value: &'i Value, see: &mut dyn FnMut(Where<'i>, &'i str)) {
    match value {
        Value::Str(text) => see(Where::Label(key), text),
        Value::Array(items) => items.iter().for_each(|item| in_value(key, item, see)),
        Value::Map(entries) => entries.iter().for_each(|(_, value)| in_value(key, value, see)),
        _ => {}
    }
}

/// Where a text of a span stands.
#[derive(Clone, Copy)]
enum Where<'i> {
    Name,
    Status,
    Event,
    Label(&'i str),
}

impl std::fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Where::Name => f.write_str("the name of a span"),
            Where::Status => f.write_str("a status description"),
            Where::Event => f.write_str("the name of an event"),
            Where::Label(key) => write!(f, "the label {key}"),
        }
    }
}

/// The kind of the secret that stood in a text, and whether it surely was one: words of a sentence may only look like it.
fn found(text: &str) -> Option<(&str, bool)> {
    let kind = secret::kind_in(text)?;
    let by_its_looks =
        ["jwt", "access token", "api key", "password"].iter().any(|known| kind.ends_with(known));
    let around = [text.split('<').next(), text.rsplit('>').next()];
    let is_prose = around.into_iter().flatten().any(|part| part.trim().contains(' '));
    Some((kind, by_its_looks || !is_prose))
}

fn level(certain: bool) -> Level {
    if certain { Level::Violation } else { Level::Warning }
}

fn article(kind: &str) -> String {
    let article = match kind {
        "basic credentials" => "",
        kind if kind.starts_with(['a', 'e', 'i', 'o', 'u']) => "an ",
        _ => "a ",
    };
    let kind = match kind {
        "authorization" => "Authorization header",
        "jwt" => "JSON Web Token",
        "bearer jwt" => "bearer token (a JSON Web Token)",
        "bearer access token" => "bearer token (an access token)",
        other => other,
    };
    format!("{article}{kind}")
}

#[cfg(test)]
mod tests {
    use crate::rules::labels::testing::findings;

    #[test]
    fn places() {
        for (text, expected) in [
            (
                r#"api CLIENT "GET" 200 http.request.header.cookie=["<cookie sha256:0a1b2c3d>"]"#,
                "violation a cookie label=http.request.header.cookie",
            ),
            (
                r#"api CLIENT "GET" 200 url.full="https://h/?key=<api key sha256:0a1b2c3d>""#,
                "violation an api key label=url.full",
            ),
            (
                r#"api CLIENT "GET" 200 url.full="https://h/?token=<secret sha256:0a1b2c3d>&x=1""#,
                "violation a secret label=url.full",
            ),
            (r#"api INTERNAL "load <jwt sha256:0a1b2c3d>""#, "violation a JSON Web Token"),
            (
                "api INTERNAL \"x\"\n  | event \"exception\" exception.message=\"the token: <secret sha256:0a1b2c3d>\"",
                "warning a secret label=exception.message",
            ),
            (r#"api INTERNAL "x" status=ERROR "password=<secret sha256:0a1b2c3d>""#, "violation a secret"),
            // What a library replaced, and what only looks like a placeholder.
            (r#"api CLIENT "GET" 200 url.full="https://REDACTED:REDACTED@h/""#, ""),
            (r#"api CLIENT "GET" 200 container.image="app@sha256:0a1b2c3d""#, ""),
            ("api INTERNAL \"x\"\nlogs:\n  api: token refresh failed", ""),
            (
                "api INTERNAL \"x\"\nlogs:\n  api: {\"password\":\"<secret sha256:0a1b2c3d>\"}",
                "violation a secret",
            ),
            ("api INTERNAL \"x\"\nlogs:\n  api: unknown token: <secret sha256:0a1b2c3d>", "warning a secret"),
        ] {
            let found = findings("secret-in-label", text).into_iter().map(|one| {
                let label = one.facts.get("label").map(|label| format!(" label={label}")).unwrap_or_default();
                format!("{} {}{label}", one.level.as_str(), one.actual.unwrap_or_default())
            });
            assert_eq!(found.collect::<Vec<_>>().join(", "), expected, "{text}");
        }
    }

    #[test]
    fn the_placeholder_is_not_shown() {
        let text = r#"api CLIENT "GET" 200 a.b="<bearer token sha256:0a1b2c3d>""#;
        let shown = format!("{:?}", findings("secret-in-label", text));
        assert!(shown.contains("a bearer token") && !shown.contains("0a1b2c3d"), "{shown}");
    }
}
