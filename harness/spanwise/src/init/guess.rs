//! What the files of this module hand to each other: a part of the folder, and a service that it seems to be.

use std::collections::BTreeMap;

use spanwise_model::ServiceProtocol;

/// A folder with the program of one service, or of several.
pub(super) struct Part<'f> {
    /// What a service alone in it is called.
    pub(super) name: &'f str,
    /// Where it is, below the folder of the suite; empty where it is that.
    pub(super) folder: &'f str,
    /// Text by path, relative to it.
    pub(super) files: BTreeMap<&'f str, &'f str>,
}

/// A service that was found, with a sentence for each thing that is a guess.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) name: String,
    pub(super) folder: String,
    pub(super) build: Vec<String>,
    /// Empty where nobody can tell.
    pub(super) command: Vec<String>,
    /// The Dockerfile of its folder.
    pub(super) dockerfile: Option<Dockerfile>,
    pub(super) protocol: ServiceProtocol,
    /// Whether it answers `grpc.health.v1`.
    pub(super) has_health: bool,
    pub(super) on_java: bool,
    /// Variables and their values.
    pub(super) env: Vec<(String, String)>,
    /// Variables that it reads and that seem to say where another service is.
    pub(super) links: Vec<String>,
    /// Its sources, in which the names of gRPC services are looked for.
    pub(super) text: String,
    /// A route that can be asked.
    pub(super) route: Option<Route>,
    /// Whether it can read `X-Cloud-Trace-Context` when told to by `OTEL_PROPAGATORS`.
    pub(super) reads_google: bool,
    /// The values of the axis `export` that it has exporters for.
    pub(super) exports: Vec<&'static str>,
    /// Sentences, for comments.
    pub(super) notes: Vec<String>,
}

/// A file that says how a service becomes an image.
#[derive(Clone, Debug)]
pub(super) struct Dockerfile {
    /// Where it is, below the folder of the suite.
    pub(super) path: String,
    /// The port that it exposes.
    pub(super) port: Option<u16>,
    /// Whether nothing else says what the service is, so that it runs in a container or not at all.
    pub(super) is_all: bool,
}

/// A route of an HTTP service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// `get`, `post` and so on.
    pub(super) method: String,
    /// With something in the place of its parameters.
    pub(super) path: String,
    /// Whether the path had any.
    pub(super) has_parameters: bool,
    /// Whether a prefix may belong before the path, which another line of the sources sets.
    pub(super) may_have_prefix: bool,
    /// The file that has it.
    pub(super) file: String,
}

/// The words that mean something else in a suite.
pub(super) const RESERVED: [&str; 11] = [
    "driver",
    "front-end",
    "collector",
    "untrusted",
    "refused",
    "ca",
    "port",
    "metadata",
    "each",
    "user",
    "steps",
];

impl Guess {
    /// A service of this part, of which nothing is known yet.
    pub(super) fn new(part: &Part<'_>, protocol: ServiceProtocol) -> Guess {
        Guess {
            name: part.name.to_owned(),
            folder: part.folder.to_owned(),
            build: Vec::new(),
            command: Vec::new(),
            dockerfile: None,
            protocol,
            has_health: false,
            on_java: false,
            env: Vec::new(),
            links: Vec::new(),
            text: String::new(),
            route: None,
            reads_google: false,
            exports: vec!["otlp-grpc", "otlp-http"],
            notes: Vec::new(),
        }
    }
}

impl<'f> Part<'f> {
    /// A file of it.
    pub(super) fn file(&self, path: &str) -> Option<&'f str> {
        self.files.get(path).copied()
    }

    /// Its sources with one of these endings that are no tests, with their paths.
    pub(super) fn sources(
        &self,
        endings: &'static [&'static str],
    ) -> impl Iterator<Item = (&'f str, &'f str)> {
        let is_source = move |path: &&str| {
            let end = path.rsplit_once('.').map_or("", |(_, end)| end);
            let is_test =
                path.split(['/', '.', '_', '-']).any(|word| ["test", "tests", "spec", "pb2"].contains(&word));
            endings.contains(&end) && !is_test
        };
        self.files.iter().map(|(path, text)| (*path, *text)).filter(move |(path, _)| is_source(path))
    }

    /// The first of these files that it has, with its name.
    pub(super) fn first(&self, names: &[&'static str]) -> Option<(&'static str, &'f str)> {
        names.iter().find_map(|name| Some((*name, self.file(name)?)))
    }
}

/// Text as a component of names: letters, digits, `-`, `.` and single `_`.
pub(super) fn component(text: &str, otherwise: &str) -> String {
    let keep =
        |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let mut clean: String = text.chars().map(keep).collect();
    while clean.contains("__") {
        clean = clean.replace("__", "_");
    }
    let clean = clean.trim_matches(['-', '.', '_']);
    if clean.is_empty() { otherwise.to_owned() } else { clean.to_owned() }
}

/// Words as strings of their own.
pub(super) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
