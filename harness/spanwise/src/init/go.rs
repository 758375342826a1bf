//! Go: every package `main` of a module.

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Part, words};
use super::source::{links, route};
use super::{base, dir};

/// Those of the standard library since Go 1.22, and of the usual routers.
const ROUTES: [&str; 5] = ["r.METHOD(", "router.METHOD(", "app.METHOD(", "e.METHOD(", "HandleFunc("];

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let Some(module) = part.file("go.mod") else { return Vec::new() };
    let mains: Vec<&str> = part
        .sources(&["go"])
        .filter(|(_, text)| {
            text.lines().any(|line| line.trim() == "package main") && text.contains("func main()")
        })
        .map(|(path, _)| dir(path))
        .collect();
    let is_alone = mains.len() == 1;
    let named = mains.into_iter().map(|main| {
        let guess = guess(part, module, main);
        if is_alone || main.is_empty() { guess } else { Guess { name: base(main).to_owned(), ..guess } }
    });
    named.collect()
}

fn guess(part: &Part<'_>, module: &str, main: &str) -> Guess {
    // A handler may stand in any package of the module, but that of another program.
    let is_its = |path: &str| dir(path) == main || !path.starts_with("cmd/");
    let sources: Vec<(&str, String)> = part
        .sources(&["go"])
        .filter(|(path, _)| is_its(path))
        .map(|(path, text)| (path, lower_methods(text)))
        .collect();
    let has = |word: &str| sources.iter().any(|(_, text)| text.contains(word));
    let protocol = if has("grpc.NewServer(") { ServiceProtocol::Grpc } else { ServiceProtocol::Http };
    let package = if main.is_empty() { ".".to_owned() } else { format!("./{main}") };
    let mut guess = Guess { command: words(&["go", "run", &package]), ..Guess::new(part, protocol) };
    // What is kept of a build makes the start short; the program itself is made anew.
    guess.build = words(&["go", "build", "-o", "/dev/null", &package]);
    guess.notes.push(format!(
        "`package main` in {}, of go.mod.",
        if main.is_empty() { "this folder" } else { main }
    ));
    if !module.contains("go.opentelemetry.io/otel") {
        guess.notes.push(
            "go.mod has no OpenTelemetry, so it would send no span: in Go, the SDK is set up in the code."
                .to_owned(),
        );
    }
    if !has("PORT") {
        guess.notes.push(
            "It does not seem to read PORT: say in `command` how it is told the port, as \"{{port}}\"."
                .to_owned(),
        );
    }
    let otlp = |kind: &str| module.contains(&format!("otlptrace/otlptrace{kind}"));
    match (otlp("grpc"), otlp("http")) {
        (true, false) => guess.exports = vec!["otlp-grpc"],
        (false, true) => guess.exports = vec!["otlp-http"],
        _ => {}
    }
    guess.has_health = has("grpc/health");
    guess.reads_google =
        module.contains("opentelemetry-operations-go/propagator") && module.contains("autoprop");
    guess.text = sources.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
    guess.links = links(&guess.text);
    guess.route = route(sources.iter().map(|(path, text)| (*path, text.as_str())), &ROUTES);
    guess
}

/// Routers in Go write methods in upper case or with a capital, and the standard library before the path in one string.
fn lower_methods(text: &str) -> String {
    let mut text = text.to_owned();
    for method in ["get", "post", "put", "patch", "delete"] {
        let upper = method.to_uppercase();
        let capital = format!("{}{}", &upper[..1], &method[1..]);
        text = text.replace(&format!("\"{upper} /"), &format!("r.{method}(\"/"));
        text = text
            .replace(&format!(".{upper}("), &format!(".{method}("))
            .replace(&format!(".{capital}("), &format!(".{method}("));
    }
    text
}
