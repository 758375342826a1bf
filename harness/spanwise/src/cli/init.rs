//! `spanwise init`.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use spanwise::init::{Folder, SCHEMA, SCHEMA_FILE, Starter, is_wanted, starter};

use super::suites::DEFAULT;
use super::{Exit, unusable};

/// How far below the folder is looked, in how many folders, how many files are read, and how large they may be. Java is why it
/// is so deep: `shop/orders/src/main/java/com/example/shop/orders/web`. What is near comes first.
const DEPTH: usize = 12;
const MOST_FOLDERS: usize = 5000;
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 256 * 1024;

/// Folders of others' code and of what was built.
const FOREIGN: [&str; 8] =
    ["node_modules", "target", "vendor", "dist", "build", "__pycache__", "site-packages", "third_party"];

/// Where Python keeps the packages of a project.
const ENVIRONMENTS: [&str; 3] = [".venv", "venv", "env"];

#[derive(Args)]
pub(super) struct InitArguments {
    /// The folder of a service, or of several in folders of their own; without one, this one
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Write over a suite that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn init(arguments: &InitArguments) -> Exit {
    let suite = arguments.folder.join(DEFAULT);
    if suite.exists() && !arguments.force {
        return unusable(format!("{} is there already; --force writes over it", suite.display()));
    }
    let folder = match read(&arguments.folder) {
        Ok(folder) => folder,
        Err(error) => return unusable(format!("{}: {error}", arguments.folder.display())),
    };
    let starter = starter(&folder);
    let schema = arguments.folder.join(SCHEMA_FILE);
    for (path, text) in [(&suite, starter.suite.as_str()), (&schema, SCHEMA)] {
        if let Err(error) = fs::write(path, text) {
            return unusable(format!("{}: {error}", path.display()));
        }
    }
    // Whoever reads only the first lines, `| head`, has what he wanted.
    let _ = io::stdout().write_all(told(&suite, &schema, &starter).as_bytes());
    Exit::Conforms
}

/// What was written, and what to do next.
fn told(suite: &Path, schema: &Path, starter: &Starter) -> String {
    let found = match &starter.services[..] {
        [] => "no service was recognized".to_owned(),
        services => services.join(", "),
    };
    let mut lines = vec![
        format!("wrote {}: {found}", suite.display()),
        format!("wrote {}: editors complete and check the suite by it", schema.display()),
        "next:".to_owned(),
        "  read the suite; its comments say what was guessed".to_owned(),
    ];
    if starter.is_unfinished {
        lines.push("  write what starts each service".to_owned());
    }
    if starter.has_containers && !cfg!(feature = "containers") {
        lines.push("  install spanwise with containers, which this build does not start:".to_owned());
        lines.push("    cargo install --path harness/spanwise --features containers".to_owned());
    }
    lines.push(
        "  see that the programs it starts are in PATH (a virtual environment is active, packages are installed)".to_owned(),
    );
    // Without an argument `run` reads the suite in the folder where it is called.
    lines.push(
        match suite.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder == Path::new(".")) {
            true => "  spanwise run".to_owned(),
            false => format!("  spanwise run {}", suite.display()),
        },
    );
    lines.join("\n") + "\n"
}

/// Reads what is worth it.
fn read(folder: &Path) -> io::Result<Folder> {
    // The name of `.` is that of the folder it stands for.
    let name = folder
        .canonicalize()?
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut files = BTreeMap::new();
    let mut open = VecDeque::from([(folder.to_owned(), String::new(), 0)]);
    let mut seen = 0;
    while let Some((at, prefix, depth)) = open.pop_front() {
        seen += 1;
        let mut entries: Vec<fs::DirEntry> = fs::read_dir(&at)?.collect::<io::Result<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() && ENVIRONMENTS.contains(&name.as_str()) {
                if let Ok(text) = fs::read_to_string(entry.path().join("pyvenv.cfg")) {
                    files.insert(format!("{path}/pyvenv.cfg"), text);
                }
            } else if kind.is_dir() {
                let is_foreign = name.starts_with('.') || FOREIGN.contains(&name.as_str());
                if !is_foreign && depth < DEPTH && seen + open.len() < MOST_FOLDERS {
                    open.push_back((entry.path(), format!("{path}/"), depth + 1));
                }
            } else if is_wanted(&name) && files.len() < MOST_FILES && entry.metadata()?.len() <= MOST_BYTES {
                // What is no text is no source.
                if let Ok(text) = fs::read_to_string(entry.path()) {
                    files.insert(path, text);
                }
            }
        }
    }
    Ok(Folder { name, files })
}
