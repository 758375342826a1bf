//! What a Dockerfile starts, where no language is recognized, and what a Cloud Run file calls it.

use spanwise_model::ServiceProtocol;
use spanwise_scenario::ServiceYaml;

use super::guess::{Guess, Part, words};

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
    if guess.command.is_empty() {
        guess.notes.push("The Dockerfile does not say what it starts: write it here.".to_owned());
    } else {
        guess.notes.push("What the Dockerfile starts in its container; here it is started without one, so it must be there.".to_owned());
    }
    guess.notes.push("Whether it speaks HTTP or gRPC is not known.".to_owned());
    vec![guess]
}

/// The name under which the part is deployed to Cloud Run.
pub(super) fn deployed_name(part: &Part<'_>) -> Option<String> {
    let deployed = ServiceYaml::parse("service.yaml", part.file("service.yaml")?).ok()?;
    Some(deployed.name().to_owned())
}
