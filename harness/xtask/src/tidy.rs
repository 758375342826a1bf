//! House rules that the compiler does not hold: `cargo xtask tidy`, and the test below.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{generate, tree};

/// A file above this length is split by noun.
const MOST_LINES: usize = 500;

/// Text that must not stand in a source file, and why. Written in parts so that this file holds none of them.
const FORBIDDEN: [(&str, &str, &str); 4] = [
    ("#[ign", "ore", "a test that does not run counts as green; make it run or remove it"),
    ("#[should_", "panic", "assert the error in place of the panic"),
    ("todo", "!(", "unfinished code does not land"),
    ("unimple", "mented!(", "unfinished code does not land"),
];

/// Waits for a fixed time are allowed only under a comment that begins so and says why.
const WAIT_REASON: &str = "// waits on purpose:";

/// Checks the tree; the complaints, each with file and line, when it is not tidy.
pub(crate) fn tidy(root: &Path) -> Result<(), Vec<String>> {
    let mut complaints = Vec::new();
    for path in tree::files(root, &["rs"]) {
        let text = fs::read_to_string(root.join(&path)).unwrap_or_default();
        let name = path.display().to_string();
        complaints.extend(source(&name, &text));
    }
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    complaints.extend(unexplained(&read("Cargo.toml"), &read("ARCHITECTURE.md")));
    complaints.extend(generate::stale(root));
    complaints.extend(made_by_machines(root));
    if complaints.is_empty() { Ok(()) } else { Err(complaints) }
}

/// What is wrong with one source file.
fn source(name: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    if !text.starts_with("//!") {
        complaints.push(format!(
            "{name}:1: begins without `//!`: say what the file is, who calls it, what it does not do"
        ));
    }
    if lines.len() > MOST_LINES {
        complaints.push(format!("{name}: {} lines; split it by noun ({MOST_LINES} at most)", lines.len()));
    }
    for (at, line) in lines.iter().enumerate() {
        for (first, rest, why) in FORBIDDEN {
            if line.contains(&format!("{first}{rest}")) {
                complaints.push(format!("{name}:{}: `{first}{rest}`: {why}", at + 1));
            }
        }
        let waits = ["time::sle", "thread::sle"].iter().any(|wait| line.contains(&format!("{wait}ep(")));
        let said = lines[at.saturating_sub(3)..=at].iter().any(|line| line.trim().starts_with(WAIT_REASON));
        if waits && !said {
            complaints.push(format!(
                "{name}:{}: a wait for a fixed time without `{WAIT_REASON} …` above it",
                at + 1
            ));
        }
    }
    complaints
}

/// Dependencies of the workspace, its own packages aside, of which ARCHITECTURE.md does not say why they are there.
fn unexplained(manifest: &str, architecture: &str) -> Vec<String> {
    let section = manifest.lines().enumerate().skip_while(|(_, line)| *line != "[workspace.dependencies]");
    let entries = section.skip(1).take_while(|(_, line)| !line.starts_with('['));
    let mut complaints = Vec::new();
    for (at, line) in entries {
        let Some((name, value)) = line.split_once('=') else { continue };
        let name = name.trim();
        if !value.contains("path =") && !architecture.contains(&format!("`{name}`")) {
            complaints.push(format!(
                "Cargo.toml:{}: {name}: ARCHITECTURE.md does not name it; say there why it is needed",
                at + 1
            ));
        }
    }
    complaints
}

/// Files that git keeps although `.gitignore` names them: what a compiler or an interpreter left, with the paths of its machine.
/// Nothing where this is no repository, or git is not there.
fn made_by_machines(root: &Path) -> Vec<String> {
    let listed = ["ls-files", "--cached", "--ignored", "--exclude-standard"];
    let Ok(output) = Command::new("git").args(listed).current_dir(root).output() else { return Vec::new() };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint =
        |file: &str| format!("{file}: `.gitignore` names it, and git keeps it: `git rm --cached {file}`");
    text.lines().map(complaint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_machines_made_is_not_kept() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("__pycache__")).expect("a folder");
        let file = |name: &str, text: &str| fs::write(root.path().join(name), text).expect("a file");
        file(".gitignore", "__pycache__/\n");
        file("api.py", "");
        file("__pycache__/api.pyc", "");
        let git = |arguments: &[&str]| {
            let status = Command::new("git").args(arguments).current_dir(root.path()).status();
            assert!(status.expect("git").success(), "{arguments:?}");
        };
        git(&["init", "--quiet"]);
        git(&["add", "."]);
        assert_eq!(made_by_machines(root.path()), Vec::<String>::new());
        git(&["add", "--force", "__pycache__/api.pyc"]);
        let after = made_by_machines(root.path());
        assert_eq!(after.len(), 1, "{after:?}");
        assert!(after[0].starts_with("__pycache__/api.pyc: "), "{after:?}");
    }

    #[test]
    fn the_tree_is_tidy() {
        assert_eq!(tidy(&tree::root()), Ok(()));
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found = source("x.rs", text);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (complaint, part) in found.iter().zip(expected) {
            assert!(complaint.contains(part), "{complaint}");
        }
    }

    #[test]
    fn each_house_rule_speaks() {
        check("//! A file.\nfn f() {}\n", &[]);
        check("fn f() {}\n", &["x.rs:1: begins without"]);
        check(&format!("//! A file.\n{}", "\n".repeat(MOST_LINES)), &["501 lines"]);
        check(&format!("//! A file.\n{}{}]\nfn f() {{}}\n", "#[ign", "ore"), &["x.rs:2"]);
        let wait = format!("thread::sle{}", "ep(x);");
        check(&format!("//! A file.\n{wait}\n"), &["x.rs:2: a wait"]);
        check(&format!("//! A file.\n{WAIT_REASON} the fault is the wait\n{wait}\n"), &[]);
    }
    #[test]
    fn every_dependency_needs_its_reason() {
        let manifest = "[workspace]\nx = 1\n[workspace.dependencies]\n\n# words\nown = { path = \"own\" }\n\
                        serde = \"1\"\nserde_json = { version = \"1\" }\n\n[profile.dev]\ndebug = false\n";
        assert_eq!(unexplained(manifest, "| `serde`, `serde_json` | captures |"), Vec::<String>::new());
        let found = unexplained(manifest, "| `serde` | captures |");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("Cargo.toml:8: serde_json:"), "{found:?}");
    }
}
