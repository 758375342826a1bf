//! Which suite files a command reads: those it is given, else `spanwise.yaml` here, else the demo.

use std::path::{Path, PathBuf};

use spanwise::model::Pattern;
use spanwise::plan::{Planned, PlanningError, SuiteText, plan};

use super::{Exit, unusable};

/// The suite file that is read when none is named.
const DEFAULT: &str = "spanwise.yaml";

/// A suite file has no reason to be larger; what is, is something else.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads and plans; a mistake is shown where it stands in the file.
pub(super) fn planned(files: &[PathBuf], filter: &[Pattern]) -> Result<Planned, Exit> {
    let suites = texts(files)?;
    plan(&suites, filter).map_err(|error| match error {
        PlanningError::Suite(error) => {
            eprintln!("{:?}", miette::Report::new(*error));
            Exit::Unusable
        }
        other => unusable(other),
    })
}

fn texts(files: &[PathBuf]) -> Result<Vec<SuiteText>, Exit> {
    if !files.is_empty() {
        return files.iter().map(|file| read(file)).collect();
    }
    if Path::new(DEFAULT).exists() {
        return Ok(vec![read(Path::new(DEFAULT))?]);
    }
    builtin()
}

#[cfg(feature = "demo")]
fn builtin() -> Result<Vec<SuiteText>, Exit> {
    let (file, text) = spanwise::demo::SUITE;
    Ok(vec![SuiteText { file: file.to_owned(), text: text.to_owned() }])
}

#[cfg(not(feature = "demo"))]
fn builtin() -> Result<Vec<SuiteText>, Exit> {
    Err(unusable(format!("no suite: name one, or write {DEFAULT} (this build has no demo)")))
}

fn read(file: &Path) -> Result<SuiteText, Exit> {
    let failed = |error: std::io::Error| unusable(format!("{}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > MOST_BYTES {
        return Err(unusable(format!("{}: {size} bytes are too many for a suite file", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Ok(SuiteText { file: file.display().to_string(), text })
}
