//! The suite as text: what was found, a comment for every guess, and what a person may add.

use std::fmt::Write;

use spanwise_model::ServiceProtocol;

use super::cases::{call_of, cases};
use super::guess::{Guess, component};
use super::proto::Call;
use super::{SCHEMA_FILE, Starter};

/// Writes the suite of a folder with this name.
pub(super) fn suite(folder: &str, guesses: &[Guess], calls: &[Call], unknown: &[String]) -> Starter {
    let mut text = format!("# yaml-language-server: $schema={SCHEMA_FILE}\n#\n");
    text.push_str("# A first suite, guessed by `spanwise init`. `spanwise run` starts the services, sends the requests below, and says of every\n");
    text.push_str("# span what is wrong with it. The comments say what was guessed and from where.\n");
    let _ = writeln!(text, "suite: {}", scalar(&component(folder, "services")));
    text.push_str("project: my-project     # what services find in GOOGLE_CLOUD_PROJECT\n\nservices:\n");
    // Those that are called come first, so that the eye meets them in the order in which they start.
    let mut ordered: Vec<&Guess> = guesses.iter().collect();
    ordered.sort_by_key(|guess| guess.links.len());
    for guess in &ordered {
        service(&mut text, guess, guesses, call_of(guess, calls));
    }
    if !guesses.is_empty() && !unknown.is_empty() {
        let _ = writeln!(text, "  # Nothing that serves was recognized beside {}.", unknown.join(", "));
    }
    if guesses.is_empty() {
        text.push_str(NO_SERVICE);
    }
    axes(&mut text, guesses);
    cases(&mut text, guesses, calls);
    text.push_str(MORE);
    Starter {
        suite: text,
        services: ordered.iter().map(|guess| guess.name.clone()).collect(),
        is_unfinished: guesses.is_empty()
            || guesses.iter().any(|guess| guess.command.is_empty() && !is_in_container(guess)),
        has_containers: guesses.iter().any(is_in_container),
    }
}

const NO_SERVICE: &str =
    "  # Nothing here was recognized. Write what is started, and what it speaks (http or grpc):
  my-service:
    command: [./my-service]       # started with PORT and the standard OTEL_* variables
    protocol: http
";

const MORE: &str = concat!(
    "
# Further keys: ",
    env!("CARGO_PKG_REPOSITORY"),
    "#your-own-services. Those that most suites come to need:
#
# known-failing:                  # findings that you know of; the run fails when they stop to be true
#   - { pattern: \"SUITE/CASE/**\", rules: [RULE], reason: \"why\" }
# levels:                         # RULE: violation | warning | information
# axes: platform: [plain, cloud-run]     # a second run of everything, as on Cloud Run
"
);

fn is_in_container(guess: &Guess) -> bool {
    guess.dockerfile.as_ref().is_some_and(|file| file.is_all)
}

/// Whether a gRPC service seems to say by itself what its messages are.
fn has_reflection(guess: &Guess) -> bool {
    guess.text.to_lowercase().contains("reflection")
}

/// How it is started: in its folder, or in a container.
fn start(text: &mut String, guess: &Guess) {
    if let Some(file) = guess.dockerfile.as_ref().filter(|file| file.is_all) {
        if !guess.command.is_empty() {
            let _ = writeln!(text, "    # command: {}", list(&guess.command));
        }
        let _ = writeln!(text, "    dockerfile: {}", scalar(&file.path));
        if let Some(port) = file.port.filter(|port| *port != 0) {
            let _ = writeln!(text, "    container-port: {port}");
        }
        return;
    }
    if !guess.folder.is_empty() {
        let _ = writeln!(text, "    folder: {}", scalar(&guess.folder));
    }
    if !guess.build.is_empty() {
        let _ = writeln!(text, "    build: {}", list(&guess.build));
    }
    match guess.command.is_empty() {
        true => text.push_str("    command: [./my-service]       # write what starts it\n"),
        false => {
            let _ = writeln!(text, "    command: {}", list(&guess.command));
        }
    }
    if let Some(file) = &guess.dockerfile {
        let _ = writeln!(
            text,
            "    # dockerfile: {}     # in place of the lines above: in a container, as it is deployed",
            scalar(&file.path)
        );
    }
}

fn service(text: &mut String, guess: &Guess, all: &[Guess], call: Option<&Call>) {
    for note in &guess.notes {
        let _ = writeln!(text, "  # {note}");
    }
    let _ = writeln!(text, "  {}:", scalar(&guess.name));
    start(text, guess);
    let protocol = if guess.protocol == ServiceProtocol::Grpc { "grpc" } else { "http" };
    let _ = writeln!(text, "    protocol: {protocol}");
    if let Some(Call { file, has_imports, .. }) = call.filter(|_| !has_reflection(guess)) {
        let (off, why) = match has_imports {
            false => ("", "it seems to serve no reflection, which would say what its messages are"),
            true => {
                ("# ", "it needs these or reflection; `proto-paths: [FOLDER]` says where its imports are")
            }
        };
        let _ = writeln!(text, "    {off}protos: [{}]     # {why}", scalar(file));
    }
    if guess.has_health {
        text.push_str("    ready: grpc-health\n");
    }
    if guess.on_java {
        text.push_str("    java-trust-store: true        # Java is told of the run's certificate authority by options of its own\n");
    }
    text.push_str("    env:\n");
    for (name, value) in &guess.env {
        let _ = writeln!(text, "      {name}: {}", scalar(value));
    }
    for link in &guess.links {
        match callee(link, guess, all) {
            Some(callee) => {
                let _ = writeln!(
                    text,
                    "      {link}: \"{{{{{}.url}}}}\"     # a whole URL, https where channel-out is secure",
                    callee.name
                );
            }
            None => {
                let _ = writeln!(
                    text,
                    "      # {link}:     # it reads this, and no service here seems to be meant; \"{{{{NAME.url}}}}\" is one"
                );
            }
        }
    }
    let _ = writeln!(
        text,
        "      OTEL_SERVICE_NAME: {}     # as where it is deployed; without it, a finding may say so",
        scalar(&guess.name)
    );
}

/// Which service a variable means: the one whose name is in it, or the only other one. Two services that call each other would be
/// a circle, which a suite may not have; the variable of the second is left to a person.
pub(super) fn callee<'g>(link: &str, caller: &Guess, all: &'g [Guess]) -> Option<&'g Guess> {
    let others: Vec<&Guess> = all.iter().filter(|other| other.name != caller.name).collect();
    // The longest name that fits is the one that is meant.
    let meant =
        others.iter().copied().filter(|other| is_named(link, other)).max_by_key(|other| other.name.len());
    let place = |guess: &Guess| all.iter().position(|one| one.name == guess.name);
    let goes_back = |meant: &&Guess| {
        meant.links.iter().any(|link| is_named(link, caller)) && place(meant) < place(caller)
    };
    match (meant, &others[..]) {
        (Some(meant), _) => Some(meant).filter(|meant| !goes_back(meant)),
        (None, [only]) if only.links.is_empty() => Some(only),
        _ => None,
    }
}

/// Whether a variable is called after a service: `BACKEND_URL` after `backend`, and after `backend-service`.
fn is_named(link: &str, service: &Guess) -> bool {
    let flat = |text: &str| text.to_lowercase().replace(['-', '_', '.'], "");
    let (name, named) = (flat(&service.name), flat(link.rsplit_once('_').map_or(link, |(name, _)| name)));
    named.starts_with(&name) || named.len() > 2 && name.starts_with(&named)
}

fn axes(text: &mut String, guesses: &[Guess]) {
    let has = |protocol| guesses.iter().any(|guess| guess.protocol == protocol);
    let entries = match (has(ServiceProtocol::Http), has(ServiceProtocol::Grpc)) {
        (true, true) => "http, grpc",
        (false, true) => "grpc",
        _ => "http",
    };
    let calls =
        guesses.iter().any(|guess| guess.links.iter().any(|link| callee(link, guess, guesses).is_some()));
    let exports: Vec<&str> = ["otlp-grpc", "otlp-http"]
        .into_iter()
        .filter(|export| guesses.iter().all(|guess| guess.exports.contains(export)))
        .take(1)
        .collect();
    let exports = if exports.is_empty() { vec!["otlp-grpc"] } else { exports };
    let reads_google = !guesses.is_empty() && guesses.iter().all(|guess| guess.reads_google);
    let mut names = vec!["channel-in"];
    let _ =
        writeln!(text, "\n# Every case runs under every combination of these.\naxes:\n  entry: [{entries}]");
    text.push_str("  channel-in: [insecure, secure]      # TLS or not before the service that is asked\n");
    if calls {
        text.push_str("  channel-out: [insecure, secure]     # and before those that it calls\n");
        names.push("channel-out");
    }
    let _ =
        writeln!(text, "  export: [{}]                 # also otlp-http, otlp-http-json", exports.join(", "));
    names.push("export");
    if reads_google {
        text.push_str("  propagation: [tracecontext, gcp_trace]\n");
        names.push("propagation");
    } else {
        text.push_str("  propagation: [tracecontext]         # also gcp_trace and both, where Google's propagator is installed\n");
    }
    let _ = writeln!(text, "agree: [{}]     # axes that must not change the tree of spans", names.join(", "));
}

/// A list in one line.
fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", "))
}

/// A message in one line.
pub(super) fn mapping(message: &serde_json::Value) -> String {
    let field = |(name, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(text) => format!("{name}: {}", scalar(text)),
        None => format!("{name}: {value}"),
    };
    let fields: Vec<String> = message.as_object().into_iter().flatten().map(field).collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// Text as YAML writes it: plain where nothing in it means something else.
pub(super) fn scalar(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '.');
    let means = ["true", "false", "null", "yes", "no", "on", "off", ".", ".inf", ".nan"]
        .contains(&text.to_lowercase().as_str());
    let is_option = text.starts_with("--") && text.len() > 2;
    if is_plain && (is_word || is_option) && !means {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}
