//! What sources of every language have alike: variables that they read, and routes that they serve.

use super::guess::Route;

/// What stands before the name of a variable where it is read: Python, Node, Go, Java, Rust.
const READS: [&str; 12] = [
    "os.environ[\"",
    "os.environ['",
    "environ.get(\"",
    "environ.get('",
    "getenv(\"",
    "getenv('",
    "Getenv(\"",
    "LookupEnv(\"",
    "process.env.",
    "process.env[\"",
    "env::var(\"",
    "var_os(\"",
];

/// The ends of names that say where something is.
const PLACES: [&str; 7] = ["_URL", "_URI", "_ADDR", "_ADDRESS", "_HOST", "_ENDPOINT", "_TARGET"];

/// The variables that a source reads and that say where something is, in the order of the text. Those of telemetry and of
/// stores are left out: no service of the suite is meant by them.
pub(super) fn links(text: &str) -> Vec<String> {
    let mut found: Vec<(usize, String)> = Vec::new();
    for read in READS {
        for (at, _) in text.match_indices(read) {
            let name: String = text[at + read.len()..]
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            let elsewhere = [
                "OTEL_", "DATABASE", "DB_", "REDIS", "GOOGLE_", "GCE_", "POSTGRES", "MYSQL", "MONGO", "KAFKA",
            ];
            let is_place = PLACES.iter().any(|end| name.ends_with(end));
            if is_place
                && !elsewhere.iter().any(|other| name.starts_with(other))
                && !found.iter().any(|(_, one)| *one == name)
            {
                found.push((at, name));
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, name)| name).collect()
}

/// What sets a prefix of routes that stand elsewhere: FastAPI, Flask, Express, the routers of Go, Spring, axum and actix.
const PREFIXES: [&str; 14] = [
    "prefix=",
    "app.use('/",
    "app.use(\"/",
    "router.use('/",
    "router.use(\"/",
    "PathPrefix(",
    ".Route(\"/",
    ".Group(\"/",
    ".Mount(\"/",
    "StripPrefix(",
    "@RequestMapping(",
    ".nest(\"/",
    "web::scope(\"/",
    "@Path(\"/",
];

/// Whether a path is for those who look after a service: instrumentations leave these out.
fn is_probe(path: &str) -> bool {
    ["health", "ready", "live", "metrics", "favicon"].iter().any(|word| path.contains(word))
}

/// The route that is easiest to ask: a GET without parameters, a GET with some, anything else; probes last. `before` is what stands
/// before method and path, as in `@app.get("/path"`.
pub(super) fn route<'t>(sources: impl Iterator<Item = (&'t str, &'t str)>, before: &[&str]) -> Option<Route> {
    let sources: Vec<(&str, &str)> = sources.collect();
    let may_have_prefix = PREFIXES.iter().any(|prefix| sources.iter().any(|(_, text)| text.contains(prefix)));
    let routes = sources.iter().flat_map(|(file, text)| routes(file, text, before));
    let routes = routes.map(|route| Route { may_have_prefix, ..route });
    routes.min_by_key(|route| (is_probe(&route.path), route.method != "get", route.has_parameters))
}

fn routes(file: &str, text: &str, before: &[&str]) -> Vec<Route> {
    let mut found = Vec::new();
    for method in ["get", "post", "put", "patch", "delete"] {
        for (at, call) in before.iter().flat_map(|before| {
            let call = before.replace("METHOD", method);
            text.match_indices(&call).map(|(at, call)| (at, call.len())).collect::<Vec<_>>()
        }) {
            let rest = text[at + call..].trim_start();
            let Some(quote) = rest.chars().next().filter(|c| ['"', '\'', '`'].contains(c)) else { continue };
            let Some((path, _)) = rest[1..].split_once(quote) else { continue };
            if let Some(path) = path.strip_prefix('/') {
                let (path, has_parameters) = filled(path);
                let (method, file) = (method.to_owned(), file.to_owned());
                found.push((at, Route { method, path, has_parameters, may_have_prefix: false, file }));
            }
        }
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, route)| route).collect()
}

/// A path whose parameters (`{name}`, `{id:int}`, `<int:id>`, `:name`) are replaced by their own names.
fn filled(path: &str) -> (String, bool) {
    let mut has_parameters = false;
    let mut part = |part: &str| {
        let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.or_else(|| part.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')));
        let inner = inner.or_else(|| part.strip_prefix(':'));
        has_parameters |= inner.is_some();
        match inner {
            // A number where a type in words says so.
            Some(inner) if inner.contains("int") && inner.contains(':') => "1".to_owned(),
            Some(inner) => inner.split(':').next().unwrap_or(inner).trim_end_matches("...").to_owned(),
            None => part.to_owned(),
        }
    };
    let parts: Vec<String> = path.split('/').map(&mut part).collect();
    (format!("/{}", parts.join("/")), has_parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_say_where_something_is() {
        let check = |text: &str, expected: &[&str]| assert_eq!(links(text), expected, "{text}");
        check(
            r#"a = os.environ["BACKEND_URL"]; b = os.getenv('USERS_ADDR', "")"#,
            &["BACKEND_URL", "USERS_ADDR"],
        );
        check(r#"os.Getenv("ORDERS_ENDPOINT") + os.Getenv("ORDERS_ENDPOINT")"#, &["ORDERS_ENDPOINT"]);
        check("const url = process.env.SHOP_URL ?? ''", &["SHOP_URL"]);
        check(r#"std::env::var("STOCK_URL")?"#, &["STOCK_URL"]);
        check(
            r#"os.environ["PORT"] os.environ["DATABASE_URL"] os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]"#,
            &[],
        );
    }

    #[test]
    fn the_easiest_route_is_taken() {
        let check = |text: &str, expected: Option<(&str, &str, bool)>| {
            let found = route([("a", text)].into_iter(), &["@app.METHOD(", "app.METHOD("]);
            let found = found
                .as_ref()
                .map(|route| (route.method.as_str(), route.path.as_str(), route.has_parameters));
            assert_eq!(found, expected, "{text}");
        };
        check(r#"@app.post("/greet") @app.get("/greet/{name}") @app.get("/")"#, Some(("get", "/", false)));
        check(r#"@app.post("/greet") @app.get("/greet/{name}")"#, Some(("get", "/greet/name", true)));
        check("app.get('/items/:id', f)", Some(("get", "/items/id", true)));
        check(r#"@app.get("/items/<int:id>")"#, Some(("get", "/items/1", true)));
        check(r#"@app.post("/orders")"#, Some(("post", "/orders", false)));
        check(r#"@app.get("/healthz") @app.post("/orders")"#, Some(("post", "/orders", false)));
        check(r#"@app.get("/healthz")"#, Some(("get", "/healthz", false)));
        check("app.get(name)", None);
        check("", None);
    }
}
