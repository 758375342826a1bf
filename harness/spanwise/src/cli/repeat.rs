//! The command that stands under a failing permutation: this run, with nothing but what concerns it.

use std::path::Path;

use super::run::RunArguments;

/// The command up to the names: what was said that changes how permutations run and are judged.
pub(super) fn beginning(arguments: &RunArguments) -> String {
    let mut words = vec!["spanwise".to_owned(), "run".to_owned()];
    let file = |file: &Path| quoted(&file.display().to_string());
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
    words.join(" ")
}

/// The command for some permutations, by their full names.
pub(super) fn command(beginning: &str, names: &[&str]) -> String {
    let filters: Vec<String> = names.iter().map(|name| format!("--filter {}", quoted(name))).collect();
    format!("{beginning} {}", filters.join(" "))
}

/// A word as a shell takes it for one.
fn quoted(word: &str) -> String {
    // Only a word with a zero byte cannot be quoted, and no file or permutation has one in its name.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), |word| word.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_files_are_one_word_each() {
        let check = |word: &str, expected: &str| assert_eq!(quoted(word), expected);
        check("demo/greet", "demo/greet");
        check("my suite.yaml", "'my suite.yaml'");
        check("it's $HOME", "\"it's \"'$HOME'");
        let made = command("spanwise run", &["demo/a/entry=http", "demo/b"]);
        assert_eq!(made, "spanwise run --filter 'demo/a/entry=http' --filter demo/b");
    }
}
