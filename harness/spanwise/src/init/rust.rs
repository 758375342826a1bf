//! Rust: what `cargo run` starts.

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Part, words};
use super::source::{links, route};

const ROUTES: [&str; 2] = ["#[METHOD(", "app.METHOD("];

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let Some(manifest) = part.file("Cargo.toml") else { return Vec::new() };
    let sources: Vec<(&str, &str)> = part.sources(&["rs"]).collect();
    let has_main = sources.iter().any(|(path, text)| path.starts_with("src/") && text.contains("fn main("));
    if !manifest.contains("[package]") || !has_main {
        return Vec::new();
    }
    let programs = programs(manifest, sources.iter().map(|(path, _)| *path));
    let guess = guess(part, manifest, &sources);
    match &programs[..] {
        [] | [_] => vec![guess],
        several => several.iter().map(|program| of_several(&guess, program)).collect(),
    }
}

/// Its programs, as `cargo run --bin` calls them; none where Cargo.toml says which one is meant.
fn programs<'p>(manifest: &'p str, paths: impl Iterator<Item = &'p str>) -> Vec<&'p str> {
    if manifest.contains("default-run") || manifest.contains("[[bin]]") {
        return Vec::new();
    }
    let package = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.split('"').next());
    let program = |path: &'p str| match path {
        "src/main.rs" => package,
        _ => {
            let name = path.strip_prefix("src/bin/")?;
            name.strip_suffix("/main.rs").or(name.strip_suffix(".rs")).filter(|name| !name.contains('/'))
        }
    };
    paths.filter_map(program).collect()
}

/// One of several programs, under its own name.
fn of_several(guess: &Guess, program: &str) -> Guess {
    let mut one = Guess { name: program.to_owned(), ..guess.clone() };
    one.notes.push("One of several programs: leave out what is no service.".to_owned());
    for words in [&mut one.build, &mut one.command] {
        words.extend(super::guess::words(&["--bin", program]));
    }
    one
}

fn guess(part: &Part<'_>, manifest: &str, sources: &[(&str, &str)]) -> Guess {
    let has = |word: &str| sources.iter().any(|(_, text)| text.contains(word));
    let is_grpc = manifest.contains("tonic") && has("Server::builder()");
    let protocol = if is_grpc { ServiceProtocol::Grpc } else { ServiceProtocol::Http };
    let mut guess = Guess::new(part, protocol);
    guess.build = words(&["cargo", "build"]);
    guess.command = words(&["cargo", "run", "--quiet"]);
    guess.notes.push("`fn main` in src, of Cargo.toml.".to_owned());
    if !manifest.contains("opentelemetry") {
        guess.notes.push("Cargo.toml has no OpenTelemetry, so it would send no span: in Rust, the SDK is set up in the code.".to_owned());
    }
    if !has("\"PORT\"") {
        guess.notes.push(
            "It does not seem to read PORT: say in `command` how it is told the port, as \"{{port}}\"."
                .to_owned(),
        );
    }
    guess.has_health = manifest.contains("tonic-health");
    guess.text = sources.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
    guess.links = links(&guess.text);
    let sources: Vec<(&str, String)> =
        sources.iter().map(|(path, text)| (*path, as_attributes(text))).collect();
    guess.route = route(sources.iter().map(|(path, text)| (*path, text.as_str())), &ROUTES);
    guess
}

/// Sources with the routes of axum, `.route("/path", get(handler))`, as actix and Rocket write theirs.
fn as_attributes(text: &str) -> String {
    let mut text = text.to_owned();
    let routes: Vec<String> = text
        .split(".route(")
        .skip(1)
        .filter_map(|rest| {
            let (path, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
            let method = rest.trim_start_matches([',', ' ', '\n']).split('(').next()?;
            let method = method.rsplit("::").next()?;
            Some(format!("\n#[{method}(\"{path}\")]"))
        })
        .collect();
    text.extend(routes);
    text
}
