//! That no snapshot stands there that nobody compares with any more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::accepted::place;

/// Fails with the files below a folder that are the snapshot of none of these groups and verdicts.
pub fn no_stale(folder: &Path, names: &[String]) -> Result<(), String> {
    let planned: BTreeSet<PathBuf> = names.iter().map(|name| place(folder, name)).collect();
    let mut stale = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        for path in std::fs::read_dir(&folder).map_err(failed)?.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "snap") && !planned.contains(&path) {
                stale.push(path.display().to_string());
            }
        }
    }
    stale.sort();
    match stale.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "nothing is compared with these snapshots any more; delete them:\n{}",
            stale.join("\n")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_group_fails() {
        let folder = tempfile::tempdir().expect("a folder");
        let names = ["demo/greet/entry=http".to_owned(), "demo/greet/verdicts".to_owned()];
        for name in &names {
            let place = place(folder.path(), name);
            std::fs::create_dir_all(place.parent().expect("a folder")).expect("made");
            std::fs::write(place, "").expect("written");
        }
        std::fs::write(folder.path().join("demo/greet/notes.txt"), "").expect("written");
        assert_eq!(no_stale(folder.path(), &names), Ok(()));

        let said = no_stale(folder.path(), &names[..1]).expect_err("the verdicts are nobody's");
        assert!(said.contains("verdicts.snap") && !said.contains("entry=http"), "{said}");
        no_stale(&folder.path().join("missing"), &names).expect_err("no folder is no proof");
    }
}
