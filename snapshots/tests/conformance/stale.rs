//! Where a group's snapshot stands, and that no other file stands there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use libtest_mimic::Failed;

/// The snapshot of a group: a folder for suite and case, a file for the rest of the name. No name holds `:` (illegal on
/// Windows and in uploads) or `__` (insta's own separator).
pub(crate) fn place(group: &str) -> PathBuf {
    let mut parts = group.splitn(3, '/');
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = folder.join(parts.next().unwrap_or_default()).join(parts.next().unwrap_or_default());
    let rest = parts.next().unwrap_or("all").replace('/', ".");
    folder.join(format!("{rest}.snap"))
}

/// Fails when a snapshot belongs to no planned group.
pub(crate) fn check(groups: &[String]) -> Result<(), Failed> {
    let planned: BTreeSet<PathBuf> = groups.iter().map(|group| place(group)).collect();
    let mut stale = Vec::new();
    let mut open = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR"))];
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "snap") && !planned.contains(&path) {
                stale.push(path.display().to_string());
            }
        }
    }
    match stale.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("no permutation has these snapshots any more; delete them:\n{}", stale.join("\n"))
                .into())
        }
    }
}
