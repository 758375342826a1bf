//! The suite as text: what was found, a comment for every guess, and what a person may add.

use std::fmt::Write;

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, component};
use super::proto::Call;
use super::{SCHEMA_FILE, Starter};

/// Writes the suite of a folder with this name.
pub(super) fn suite(folder: &str, guesses: &[Guess], calls: &[Call]) -> Starter {
    let mut text = format!("# yaml-language-server: $schema={SCHEMA_FILE}\n#\n");
    text.push_str("# A first suite, guessed by `spanwise init`. `spanwise run` starts the services, sends the requests below, and says of every\n");
    text.push_str("# span what is wrong with it. The comments say what was guessed and from where.\n");
    let _ = writeln!(text, "suite: {}", scalar(&component(folder, "services")));
    text.push_str("project: my-project     # what services find in GOOGLE_CLOUD_PROJECT\n\nservices:\n");
    // Those that are called come first, so that the eye meets them in the order in which they start.
    let mut ordered: Vec<&Guess> = guesses.iter().collect();
    ordered.sort_by_key(|guess| guess.links.len());
    for guess in &ordered {
        service(&mut text, guess, guesses);
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
        is_unfinished: guesses.is_empty() || guesses.iter().any(|guess| guess.command.is_empty()),
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

fn service(text: &mut String, guess: &Guess, all: &[Guess]) {
    for note in &guess.notes {
        let _ = writeln!(text, "  # {note}");
    }
    let _ = writeln!(text, "  {}:", scalar(&guess.name));
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
    if let Some(dockerfile) = &guess.dockerfile {
        let _ = writeln!(
            text,
            "    # dockerfile: {}     # in place of what starts it above: its image, in a container (a build with the feature containers)",
            scalar(dockerfile)
        );
    }
    let protocol = if guess.protocol == ServiceProtocol::Grpc { "grpc" } else { "http" };
    let _ = writeln!(text, "    protocol: {protocol}");
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
fn callee<'g>(link: &str, caller: &Guess, all: &'g [Guess]) -> Option<&'g Guess> {
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

fn cases(text: &mut String, guesses: &[Guess], calls: &[Call]) {
    text.push_str("\ncases:\n");
    let is_called = |guess: &Guess| {
        guesses.iter().any(|other| {
            other
                .links
                .iter()
                .any(|link| callee(link, other, guesses).is_some_and(|one| one.name == guess.name))
        })
    };
    let asked = |protocol| guesses.iter().filter(move |guess| guess.protocol == protocol);
    // What is called is asked through its callers, unless it can be asked by gRPC as well.
    let http: Vec<&Guess> = asked(ServiceProtocol::Http).filter(|guess| !is_called(guess)).collect();
    for guess in http {
        let name = format!("ask-{}", guess.name);
        match &guess.route {
            Some(route) => {
                let _ = writeln!(text, "  {name}:     # a route of {}", route.file);
                let body = if route.method == "get" || route.method == "delete" { "" } else { ", json: {}" };
                let _ = writeln!(
                    text,
                    "    http: {{ to: {}, {}: {}{body} }}",
                    scalar(&guess.name),
                    route.method,
                    scalar(&route.path)
                );
                let is_sure = route.method == "get" && !route.has_parameters;
                let _ = writeln!(text, "    {}expect: {{ http: 200 }}", if is_sure { "" } else { "# " });
            }
            None => {
                let _ = writeln!(text, "  {name}:     # no route was found: write one");
                let _ = writeln!(
                    text,
                    "    http: {{ to: {}, get: / }}\n    # expect: {{ http: 200 }}",
                    scalar(&guess.name)
                );
            }
        }
    }
    for guess in asked(ServiceProtocol::Grpc) {
        let name = format!("ask-{}", guess.name);
        // Whatever the language, what serves it names it: GreeterServicer, RegisterGreeterServer, GreeterImplBase, GreeterServer.
        let call = calls.iter().find(|call| {
            guess.text.contains(&format!("{}Serv", call.service()))
                || guess.text.contains(&format!("{}Impl", call.service()))
                || guess.text.contains(&format!("{}.service", call.service()))
        });
        match call {
            Some(Call { method, message, file }) => {
                let _ =
                    writeln!(text, "  {name}:     # a method of {file}; the service must serve reflection");
                let _ = writeln!(
                    text,
                    "    grpc: {{ to: {}, call: {method}, message: {} }}\n    # expect: {{ grpc: OK }}",
                    scalar(&guess.name),
                    mapping(message)
                );
            }
            None => {
                let _ = writeln!(
                    text,
                    "  {name}:     # which .proto file is meant is not known: write a method of its own"
                );
                let _ = writeln!(
                    text,
                    "    grpc: {{ to: {}, call: grpc.health.v1.Health/Check, message: {{}} }}",
                    scalar(&guess.name)
                );
            }
        }
    }
    if guesses.is_empty() {
        text.push_str("  first:\n    http: { to: my-service, get: / }\n    expect: { http: 200 }\n");
    }
}

/// A list in one line.
fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| scalar(word)).collect::<Vec<_>>().join(", "))
}

/// A message in one line.
fn mapping(message: &serde_json::Value) -> String {
    let field = |(name, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(text) => format!("{name}: {}", scalar(text)),
        None => format!("{name}: {value}"),
    };
    let fields: Vec<String> = message.as_object().into_iter().flatten().map(field).collect();
    if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
}

/// Text as YAML writes it: plain where nothing in it means something else.
fn scalar(text: &str) -> String {
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
