//! Reads the files of a registry that a suite names: one file, or all YAML files of a folder. What they say is for
//! `scenario` to read.

use std::io;
use std::path::{Path, PathBuf};

use spanwise_model::Label;
use spanwise_scenario::{RegistryText, SuiteError};

/// More files than this are no registry, but a folder named by mistake.
const MOST_FILES: usize = 2000;

/// Why the labels of a registry are not known.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Its files cannot be read.
    #[error("the registry {path} cannot be read: {error}")]
    Unreadable {
        /// The registry as it was named.
        path: String,
        /// What the file system says.
        error: io::Error,
    },
    /// A file has a mistake; the error points at it.
    #[error(transparent)]
    Mistake(#[from] Box<SuiteError>),
    /// There is nothing in it.
    #[error("the registry {0} defines no attribute")]
    Empty(String),
}

/// The labels that a registry adds to the semantic conventions: a file, or a folder of them, in the format of Weaver.
pub fn registry_labels(path: &str) -> Result<Vec<Label>, RegistryError> {
    let files = read("", path).map_err(|error| RegistryError::Unreadable { path: path.to_owned(), error })?;
    let labels = spanwise_scenario::registry_labels(&files).map_err(Box::new)?;
    if labels.is_empty() {
        return Err(RegistryError::Empty(path.to_owned()));
    }
    Ok(labels)
}

/// The files of a registry in the order of their names; `path` is relative to the suite file.
///
/// # Errors
/// Those of the file system, and a folder that holds no YAML file or too many.
pub(crate) fn read(suite_file: &str, path: &str) -> io::Result<Vec<RegistryText>> {
    let beside = Path::new(suite_file).parent().unwrap_or(Path::new(""));
    let path = beside.join(path);
    let files = if path.is_dir() { yaml_files(&path)? } else { vec![path] };
    let text = |file: &PathBuf| Ok((file.display().to_string(), std::fs::read_to_string(file)?));
    files.iter().map(text).collect()
}

/// The YAML files at and below a folder. Hidden folders are left out, and links are not followed.
fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let is_hidden = entry.file_name().to_string_lossy().starts_with('.');
            let is_yaml = path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
            if kind.is_dir() && !is_hidden {
                open.push(path);
            } else if kind.is_file() && is_yaml {
                files.push(path);
            }
        }
        if files.len() > MOST_FILES {
            return Err(io::Error::other(format!("the folder holds more than {MOST_FILES} YAML files")));
        }
    }
    if files.is_empty() {
        return Err(io::Error::other("the folder holds no YAML file"));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_in_the_order_of_its_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str| {
            let file = folder.path().join("labels").join(name);
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("it can be made");
            std::fs::write(file, name).expect("it can be written");
        };
        ["b.yaml", "a/c.yml", "notes.md", ".git/d.yaml"].into_iter().for_each(write);
        let suite = folder.path().join("shop.yaml").display().to_string();
        let texts =
            |path: &str| read(&suite, path).map(|files| files.into_iter().map(|(_, text)| text).collect());
        let found: Vec<String> = texts("labels").expect("the folder is read");
        assert_eq!(found, ["a/c.yml", "b.yaml"]);
        let one: Vec<String> = texts("labels/b.yaml").expect("the file is read");
        assert_eq!(one, ["b.yaml"]);
        for (path, error) in [("none", "No such file"), ("labels/.git/none", "No such file")] {
            let found: io::Result<Vec<String>> = texts(path);
            assert!(found.expect_err("there is nothing").to_string().contains(error));
        }
    }
}
