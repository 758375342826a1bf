//! A first suite for a folder, by looking at what lies in it: text in, text out. Called by `spanwise init`.
//!
//! One file a language says what is started and what it speaks; `proto` and `source` find something to ask it, and `write` and
//! `cases` put that down with a comment for every guess. Nothing is opened or started here.

mod cases;
mod docker;
mod go;
mod guess;
mod jvm;
mod node;
mod proto;
mod python;
mod rust;
mod source;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use guess::{Guess, Part};

/// What is known of a folder.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Its own name, without the way to it.
    pub name: String,
    /// The text of its files by path, relative to it, with `/` between the parts. Those that [`is_wanted`] says are enough.
    pub files: BTreeMap<String, String>,
}

/// A first suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// What `spanwise.yaml` is to hold.
    pub suite: String,
    /// The names of the services that it starts; empty where none was found and a person has to write them.
    pub services: Vec<String>,
    /// Whether one of them is in need of a word from a person before it can run.
    pub is_unfinished: bool,
    /// Whether one of them runs in a container, which only a build with the feature `containers` starts.
    pub has_containers: bool,
}

/// The name of the JSON Schema beside a suite that [`starter`] made; its first line points there.
pub const SCHEMA_FILE: &str = "spanwise.schema.json";

/// What stands in that file.
pub const SCHEMA: &str = include_str!("../../../../fixtures/schema/suite.schema.json");

/// The files that say how a folder's program is built; each begins a service, or several.
const MANIFESTS: [&str; 10] = [
    "requirements.txt",
    "pyproject.toml",
    "setup.py",
    "Pipfile",
    "go.mod",
    "package.json",
    "pom.xml",
    "build.gradle",
    "build.gradle.kts",
    "Cargo.toml",
];

/// Files beside these and beside sources that are looked at.
const OTHERS: [&str; 5] = ["Dockerfile", "service.yaml", "pyvenv.cfg", "mvnw", "gradlew"];
const SOURCES: [&str; 9] = ["py", "go", "js", "mjs", "ts", "java", "kt", "rs", "proto"];

/// Whether a file of this name is worth reading for [`starter`].
pub fn is_wanted(name: &str) -> bool {
    let source = name.rsplit_once('.').is_some_and(|(_, end)| SOURCES.contains(&end));
    source || MANIFESTS.contains(&name) || OTHERS.contains(&name)
}

/// Looks at a folder and writes a suite for it.
pub fn starter(folder: &Folder) -> Starter {
    let parts = parts(folder);
    let found: Vec<Vec<Guess>> = parts.iter().map(services).collect();
    let unknown = parts.iter().zip(&found).filter(|(_, found)| found.is_empty());
    let unknown: Vec<String> = unknown.filter_map(|(part, _)| manifest(part)).collect();
    let mut guesses: Vec<Guess> = found.into_iter().flatten().collect();
    name_apart(&mut guesses);
    let calls = proto::calls(folder.files.iter().filter(|(path, _)| path.ends_with(".proto")));
    write::suite(&folder.name, &guesses, &calls, &unknown)
}

/// The folder and those below it that have a manifest or a Dockerfile, each without what belongs to one further below.
fn parts(folder: &Folder) -> Vec<Part<'_>> {
    let begins = |path: &str| MANIFESTS.contains(&base(path)) || base(path) == "Dockerfile";
    let mut folders: BTreeSet<&str> =
        folder.files.keys().filter(|path| begins(path)).map(|path| dir(path)).collect();
    if folders.is_empty() {
        folders.insert("");
    }
    let owner = |path: &str| {
        let holds =
            |at: &&&str| at.is_empty() || path.strip_prefix(**at).is_some_and(|rest| rest.starts_with('/'));
        folders.iter().filter(holds).max_by_key(|at| at.len()).copied()
    };
    let mut parts: BTreeMap<&str, Part<'_>> = BTreeMap::new();
    for at in &folders {
        let name = if at.is_empty() { &folder.name } else { base(at) };
        parts.insert(at, Part { name, folder: at, files: BTreeMap::new() });
    }
    for (path, text) in &folder.files {
        let part = owner(path).and_then(|at| parts.get_mut(at));
        if let Some(part) = part {
            let inside = path.strip_prefix(part.folder).unwrap_or(path).trim_start_matches('/');
            part.files.insert(inside, text);
        }
    }
    parts.into_values().collect()
}

/// What a part of the folder starts. The first language that recognizes it counts.
fn services(part: &Part<'_>) -> Vec<Guess> {
    let languages = [python::services, node::services, go::services, jvm::services, rust::services];
    let mut all = languages.iter().map(|services| services(part)).filter(|found| !found.is_empty());
    let mut found = all.next().unwrap_or_else(|| docker::services(part));
    for other in all.flatten() {
        let starts = other.command.join(" ");
        let note =
            format!("`{starts}` starts something here, too: if that is a service, write an entry for it.");
        found[0].notes.push(note);
    }
    // One that holds several programs is not that of each.
    if let [only] = &mut found[..] {
        only.dockerfile = only.dockerfile.take().or_else(|| docker::dockerfile(part));
    }
    if let ([only], Some(name)) = (&mut found[..], docker::deployed_name(part)) {
        let note = "Its name is that of service.yaml, which `spanwise run --service-yaml` takes, too.";
        only.notes.push(note.to_owned());
        only.name = name;
    }
    found
}

/// The manifest of a part in which nothing was recognized; none where it only holds others together.
fn manifest(part: &Part<'_>) -> Option<String> {
    let (name, text) = part.first(&MANIFESTS)?;
    let holds_others = match name {
        "Cargo.toml" => !text.contains("[package]"),
        "pom.xml" => text.contains("<packaging>pom</packaging>"),
        _ => false,
    };
    let path = if part.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", part.folder) };
    (!holds_others).then_some(path)
}

/// Gives every service a name that a suite can have, and no two the same.
fn name_apart(guesses: &mut [Guess]) {
    let mut taken = BTreeSet::new();
    for guess in guesses {
        let name = guess::component(&guess.name, "service");
        let name = if guess::RESERVED.contains(&name.as_str()) { format!("{name}-service") } else { name };
        let number = |number: u32| if number == 1 { name.clone() } else { format!("{name}-{number}") };
        let free = (1..).map(number).find(|name| taken.insert(name.clone()));
        guess.name = free.unwrap_or(name);
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn dir(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}
