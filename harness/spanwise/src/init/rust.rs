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
    guess.route = route(sources.into_iter(), &ROUTES);
    vec![guess]
}
