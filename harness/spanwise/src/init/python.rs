//! Python: what is served by FastAPI, Starlette, Flask, Django or grpcio.

use spanwise_model::ServiceProtocol;

use super::guess::{Guess, Part, words};
use super::source::{links, route};

const MANIFESTS: [&str; 4] = ["requirements.txt", "pyproject.toml", "Pipfile", "setup.py"];
const ROUTES: [&str; 3] = ["@app.METHOD(", "@router.METHOD(", "@app.route("];

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let manifest = part.first(&MANIFESTS);
    let mut found = Vec::new();
    for (path, text) in part.sources(&["py"]) {
        let served = served(path, text);
        if let Some((command, protocol, why)) = served {
            found.push((path, guess(part, manifest, (path, text), (command, protocol, why))));
        }
    }
    // Alone in its folder, a service is called what the folder is called.
    let is_alone = found.len() == 1;
    let named = found.into_iter().map(|(path, guess)| match is_alone {
        true => guess,
        false => Guess { name: stem(path).to_owned(), ..guess },
    });
    named.collect()
}

/// The function that makes an application, where no line at the top does: `def create_app():`.
fn factory(text: &str, class: &str) -> Option<String> {
    let mut function = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("def ") {
            function =
                rest.split_once('(').map(|(name, _)| name.to_owned()).filter(|name| name.contains("app"));
        } else if line.starts_with(' ') && line.contains(&format!("{class}(")) {
            return function;
        }
    }
    None
}

type Served = (Vec<String>, ServiceProtocol, String);

/// How a source is started, if it is what serves.
fn served(path: &str, text: &str) -> Option<Served> {
    let application = |class: &str| {
        let line = text.lines().find(|line| !line.starts_with(' ') && line.contains(&format!("{class}(")))?;
        let (name, _) = line.split_once('=')?;
        Some(name.split(':').next()?.trim().to_owned())
    };
    for class in ["FastAPI", "Starlette", "Quart"] {
        let (made, factory) = (application(class), factory(text, class));
        if let Some(name) = made.as_ref().or(factory.as_ref()) {
            let (root, module) = module(path);
            let mut command = words(&["uvicorn", &format!("{module}:{name}")]);
            if made.is_none() {
                command.push("--factory".to_owned());
            }
            if !root.is_empty() {
                command.extend(words(&["--app-dir", root]));
            }
            command.extend(words(&["--port", "{{port}}"]));
            return Some((command, ServiceProtocol::Http, class.to_owned()));
        }
    }
    // Flask calls a function that makes an application by itself.
    if let Some(name) = application("Flask").or_else(|| factory(text, "Flask")) {
        let (root, module) = module(path);
        // A path is looked up in its folder, which a module is not.
        let module = if root.is_empty() { module } else { format!("{root}/{}", module.replace('.', "/")) };
        let command = words(&["flask", "--app", &format!("{module}:{name}"), "run", "--port", "{{port}}"]);
        return Some((command, ServiceProtocol::Http, "Flask".to_owned()));
    }
    if path == "manage.py" {
        let command = words(&["python", path, "runserver", "--noreload", "127.0.0.1:{{port}}"]);
        return Some((command, ServiceProtocol::Http, "Django".to_owned()));
    }
    let is_grpc = text.contains("grpc.server(") || text.contains("aio.server(");
    is_grpc.then(|| (words(&["python", path]), ServiceProtocol::Grpc, "A gRPC server".to_owned()))
}

fn guess(
    part: &Part<'_>,
    manifest: Option<(&str, &str)>,
    (path, text): (&str, &str),
    (command, protocol, what): Served,
) -> Guess {
    let mut guess = Guess { command, ..Guess::new(part, protocol) };
    guess.notes.push(format!("{what} in {path}."));
    let packages = manifest.map_or(String::new(), |(_, text)| text.to_lowercase());
    let has = |package: &str| packages.contains(package);
    if has("opentelemetry-distro") || has("opentelemetry-instrumentation") {
        guess.command.insert(0, "opentelemetry-instrument".to_owned());
        let file = manifest.map_or("", |(name, _)| name);
        guess.notes.push(format!("Instrumented without code, by what {file} lists."));
    } else if !has("opentelemetry") && !text.contains("opentelemetry") {
        guess.notes.push(
            "No OpenTelemetry was found, so it would send no span. Without a change of its code:".to_owned(),
        );
        guess.notes.push("pip install opentelemetry-distro opentelemetry-exporter-otlp; opentelemetry-bootstrap -a install".to_owned());
        guess.notes.push("and opentelemetry-instrument as the first word of the command.".to_owned());
    }
    if protocol == ServiceProtocol::Grpc && !text.contains("PORT") {
        guess.notes.push(
            "It does not seem to read PORT: say in `command` how it is told the port, as \"{{port}}\"."
                .to_owned(),
        );
    }
    if let Some(folder) = environment(part) {
        // What `opentelemetry-instrument` starts is looked up, too.
        let programs = if guess.command[0] == "opentelemetry-instrument" { 2 } else { 1 };
        for program in &mut guess.command[..programs] {
            *program = format!("{folder}/bin/{program}");
        }
    }
    guess.has_health = text.contains("grpc_health");
    guess.reads_google = has("opentelemetry-propagator-gcp");
    if has("opentelemetry-exporter-otlp-proto-http") && !has("opentelemetry-exporter-otlp-proto-grpc") {
        guess.exports = vec!["otlp-http"];
    } else if has("opentelemetry-exporter-otlp-proto-grpc") && !has("opentelemetry-exporter-otlp-proto-http")
    {
        guess.exports = vec!["otlp-grpc"];
    }
    guess.links = links(text);
    guess.text = text.to_owned();
    if protocol == ServiceProtocol::Http {
        // Routers stand in files of their own.
        let mut sources: Vec<(&str, &str)> = vec![(path, text)];
        sources.extend(
            part.sources(&["py"]).filter(|(other, text)| *other != path && text.contains("@router.")),
        );
        guess.route = route(sources.into_iter(), &ROUTES);
    }
    guess
}

/// The folder of a virtual environment in this part.
fn environment<'f>(part: &Part<'f>) -> Option<&'f str> {
    part.files.keys().find_map(|path| path.strip_suffix("/pyvenv.cfg"))
}

/// The folder that modules are looked up in, where it is not this one, and the module.
fn module(path: &str) -> (&'static str, String) {
    let (root, inside) = match path.strip_prefix("src/") {
        Some(inside) => ("src", inside),
        None => ("", path),
    };
    let module = inside.trim_end_matches(".py").trim_end_matches("/__init__").replace('/', ".");
    (root, module)
}

/// What a file is called, or its folder where the file has a name that all have.
fn stem(path: &str) -> &str {
    let without = path.trim_end_matches(".py");
    let mut parts = without.rsplit('/');
    match parts.next() {
        Some("main" | "app" | "server" | "__init__" | "manage") => parts.next().unwrap_or(without),
        Some(name) => name,
        None => without,
    }
}
