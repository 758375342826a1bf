//! What a Dockerfile makes: all that is known where no language is recognized, and another way to start a service where one is.
//! What a Cloud Run file calls it.

use spanwise_model::ServiceProtocol;
use spanwise_scenario::ServiceYaml;

use super::guess::{Dockerfile, Guess, Part, words};

pub(super) fn services(part: &Part<'_>) -> Vec<Guess> {
    let Some(text) = part.file("Dockerfile") else { return Vec::new() };
    let mut guess = Guess::new(part, ServiceProtocol::Http);
    let line = |word: &str| {
        let lines = text.lines().rev().filter_map(|line| line.trim().strip_prefix(word));
        lines.map(str::trim).next()
    };
    let exec = |text: &str| serde_json::from_str::<Vec<String>>(text).ok();
    let (entry, command) = (line("ENTRYPOINT "), line("CMD "));
    guess.command = match (entry, command) {
        (Some(entry), command) => match exec(entry) {
            Some(entry) => entry.into_iter().chain(command.and_then(exec).unwrap_or_default()).collect(),
            None => words(&["sh", "-c", entry]),
        },
        (None, Some(command)) => exec(command).unwrap_or_else(|| words(&["sh", "-c", command])),
        (None, None) => Vec::new(),
    };
    guess.dockerfile = dockerfile(part).map(|file| Dockerfile { is_all: true, ..file });
    guess.notes.push(
        "Nothing but a Dockerfile was recognized, so it runs in a container, for which spanwise is installed with `--features containers`."
            .to_owned(),
    );
    if !guess.command.is_empty() {
        guess.notes.push("Without a container: the line with `command`, which is what the image starts, in place of the others.".to_owned());
    }
    guess.notes.push("Whether it speaks HTTP or gRPC is not known.".to_owned());
    vec![guess]
}

/// The Dockerfile of a part.
pub(super) fn dockerfile(part: &Part<'_>) -> Option<Dockerfile> {
    let exposed = part.file("Dockerfile")?.lines().rev().find_map(|line| line.trim().strip_prefix("EXPOSE "));
    let port = exposed.and_then(|ports| ports.split([' ', '/']).next()?.parse().ok());
    let path =
        if part.folder.is_empty() { "Dockerfile".to_owned() } else { format!("{}/Dockerfile", part.folder) };
    Some(Dockerfile { path, port, is_all: false })
}

/// The name under which the part is deployed to Cloud Run.
pub(super) fn deployed_name(part: &Part<'_>) -> Option<String> {
    let deployed = ServiceYaml::parse("service.yaml", part.file("service.yaml")?).ok()?;
    Some(deployed.name().to_owned())
}
