//! Node: what `package.json` starts.

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Part, words};
use super::source::{links, route};

const SOURCES: &[&str] = &["js", "mjs", "ts"];
const ROUTES: [&str; 4] = ["app.METHOD(", "router.METHOD(", "fastify.METHOD(", "server.METHOD("];
const REGISTER: &str = "@opentelemetry/auto-instrumentations-node/register";

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let Some(manifest) = part.file("package.json") else { return Vec::new() };
    let Ok(package) = serde_json::from_str::<serde_json::Value>(manifest) else { return Vec::new() };
    let has = |name: &str| package["dependencies"].get(name).is_some();
    let sources: Vec<(&str, &str)> = part.sources(SOURCES).collect();
    let serves_grpc =
        sources.iter().any(|(_, text)| text.contains("grpc.Server(") || text.contains("new Server("));
    let protocol = match has("@grpc/grpc-js") && serves_grpc {
        true => ServiceProtocol::Grpc,
        false => ServiceProtocol::Http,
    };
    let mut guess = Guess::new(part, protocol);
    if package["scripts"]["start"].is_string() {
        guess.command = words(&["npm", "start", "--silent"]);
        guess.notes.push("The script `start` of package.json.".to_owned());
    } else if let Some(main) = package["main"].as_str() {
        guess.command = words(&["node", main]);
        guess.notes.push("`main` of package.json.".to_owned());
    } else if let Some((path, _)) =
        part.first(&["server.js", "index.js", "app.js", "server.mjs", "index.mjs"])
    {
        guess.command = words(&["node", path]);
        guess.notes.push(format!("{path}, as package.json names neither `main` nor a script `start`."));
    } else {
        return Vec::new();
    }
    let text = || sources.iter().map(|(_, text)| *text);
    let scripts = package["scripts"]["start"].as_str().unwrap_or_default();
    let starts = if scripts.is_empty() { guess.command.join(" ") } else { scripts.to_owned() };
    let made = ["dist/", "build/", "lib/", "out/", "next start"].iter().any(|made| starts.contains(made));
    if made && package["scripts"]["build"].is_string() {
        guess.build = words(&["npm", "run", "--silent", "build"]);
    }
    if has("@opentelemetry/auto-instrumentations-node")
        && !scripts.contains("opentelemetry")
        && !text().any(|text| text.contains("opentelemetry"))
    {
        guess.env.push(("NODE_OPTIONS".to_owned(), format!("--require {REGISTER}")));
        guess.notes.push("Instrumented without code, by what package.json lists.".to_owned());
    } else if !manifest.contains("opentelemetry") {
        guess.notes.push(
            "No OpenTelemetry was found, so it would send no span. Without a change of its code:".to_owned(),
        );
        guess
            .notes
            .push("npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node,".to_owned());
        guess.notes.push(format!("and NODE_OPTIONS: --require {REGISTER} under `env`."));
    }
    if !text().any(|text| text.contains("PORT")) {
        guess.notes.push(
            "It does not seem to read PORT: say in `command` how it is told the port, as \"{{port}}\"."
                .to_owned(),
        );
    }
    guess.has_health = manifest.contains("grpc-health");
    guess.text = text().collect::<Vec<_>>().join("\n");
    guess.links = links(&guess.text);
    guess.route = route(sources.iter().copied(), &ROUTES);
    vec![guess]
}
