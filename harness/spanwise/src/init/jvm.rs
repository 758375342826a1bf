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
    // What only holds other modules together has no program.
    if sources.is_empty() || text.contains("<packaging>pom</packaging>") {
        return Vec::new();
    }
    let has = |word: &str| text.contains(word);
    let is_grpc = has("grpc-server") || has("grpc-netty") || has("quarkus-grpc") || has("spring-grpc");
    let protocol = if is_grpc { ServiceProtocol::Grpc } else { ServiceProtocol::Http };
    let mut guess = Guess { on_java: true, ..Guess::new(part, protocol) };
    let tool = match is_maven {
        true if part.file("mvnw").is_some() => "./mvnw",
        true => "mvn",
        false if part.file("gradlew").is_some() => "./gradlew",
        false => "gradle",
    };
    let folder = if is_maven { "target" } else { "build" };
    // The jar itself: what a build tool starts is a child of a child, in whose own JVM the variables of the run count, too.
    let (task, jar, port) = if has("spring-boot") {
        let jars = if is_maven { "target/*.jar" } else { "build/libs/*.jar" };
        ("bootJar", Some(jars.to_owned()), Some("SERVER_PORT"))
    } else if has("quarkus") {
        ("quarkusBuild", Some(format!("{folder}/quarkus-app/quarkus-run.jar")), Some("QUARKUS_HTTP_PORT"))
    } else {
        ("classes", None, None)
    };
    match jar {
        Some(jar) => {
            let package: &[&str] =
                if is_maven { &[tool, "-q", "-DskipTests", "package"] } else { &[tool, "-q", task] };
            guess.build = words(package);
            // A shell finds the version in the name.
            guess.command = match jar.contains('*') {
                true => words(&["sh", "-c", &format!("exec java -jar {jar}")]),
                false => words(&["java", "-jar", &jar]),
            };
            guess.notes.push(format!("{manifest} makes the jar."));
        }
        None => {
            let (build, run) = if is_maven { ("compile", "exec:java") } else { (task, "run") };
            guess.build = words(&[tool, "-q", build]);
            guess.command = words(&[tool, "-q", run]);
            guess.notes.push(format!(
                "{manifest} starts it by {run}; a jar is better, if it makes one: [java, -jar, …]."
            ));
        }
    }
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
