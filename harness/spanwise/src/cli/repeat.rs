//! The command that stands under a failing permutation: this run, with nothing but what concerns it.

use std::path::Path;

use spanwise::RepeatCommand;

use super::run::RunArguments;

/// What was said that changes how permutations run and are judged; names follow behind it.
pub(super) fn command(arguments: &RunArguments) -> RepeatCommand {
    let mut words = vec!["spanwise".to_owned(), "run".to_owned()];
    let file = |file: &Path| file.display().to_string();
    words.extend(arguments.selection.suites.iter().map(|suite| file(suite)));
    for service in &arguments.selection.service_yaml {
        words.extend(["--service-yaml".to_owned(), file(service)]);
    }
    if let Some(profile) = arguments.profile {
        words.extend(["--profile".to_owned(), profile.as_str().to_owned()]);
    }
    if let Some(ratchet) = &arguments.ratchet {
        words.extend(["--ratchet".to_owned(), file(ratchet)]);
    }
    RepeatCommand::new(words.iter().map(String::as_str), "--filter")
}
