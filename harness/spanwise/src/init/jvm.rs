//! The Java virtual machine: what Maven or Gradle start.

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Part, words};
use super::source::{links, route};

const ROUTES: [&str; 2] = ["@METHODMapping(", "@METHODMapping(value = "];

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let Some((manifest, text)) = part.first(&["pom.xml", "build.gradle.kts", "build.gradle"]) else {
        return Vec::new();
    };
    let is_maven = manifest == "pom.xml";
    let sources: Vec<(&str, String)> =
        part.sources(&["java", "kt"]).map(|(path, text)| (path, lower_methods(text))).collect();
    let has = |word: &str| text.contains(word);
    let is_grpc = has("grpc-server") || has("grpc-netty") || has("quarkus-grpc") || has("spring-grpc");
    let protocol = if is_grpc { ServiceProtocol::Grpc } else { ServiceProtocol::Http };
    let mut guess = Guess { on_java: true, ..Guess::new(part, protocol) };
    let tool = match is_maven {
        true if part.file("mvnw").is_some() => "./mvnw",
        true => "mvn",
        false => "gradle",
    };
    let (task, port) = if has("spring-boot") {
        (if is_maven { "spring-boot:run" } else { "bootRun" }, Some("SERVER_PORT"))
    } else if has("quarkus") {
        (if is_maven { "quarkus:run" } else { "quarkusRun" }, Some("QUARKUS_HTTP_PORT"))
    } else {
        (if is_maven { "exec:java" } else { "run" }, None)
    };
    guess.build = words(&[tool, "-q", if is_maven { "compile" } else { "classes" }]);
    guess.command = words(&[tool, "-q", task]);
    guess
        .notes
        .push(format!("{manifest} starts it by {task}; a jar that is built starts faster: [java, -jar, …]."));
    match port {
        Some(name) => guess.env.push((name.to_owned(), "{{port}}".to_owned())),
        None => guess
            .notes
            .push("Say how it is told the port: \"{{port}}\", which also is the variable PORT.".to_owned()),
    }
    if !has("opentelemetry") {
        guess.notes.push("No OpenTelemetry was found, so it would send no span. Without a change of its code, the agent under".to_owned());
        guess
            .notes
            .push("`env`: JAVA_TOOL_OPTIONS: -javaagent:/path/to/opentelemetry-javaagent.jar".to_owned());
    }
    guess.text = sources.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
    guess.links = links(&guess.text);
    guess.route = route(sources.iter().map(|(path, text)| (*path, text.as_str())), &ROUTES);
    vec![guess]
}

/// Spring writes `@GetMapping`.
fn lower_methods(text: &str) -> String {
    ["get", "post", "put", "patch", "delete"].iter().fold(text.to_owned(), |text, method| {
        let capital = format!("{}{}", method[..1].to_uppercase(), &method[1..]);
        text.replace(&format!("@{capital}Mapping("), &format!("@{method}Mapping("))
    })
}
