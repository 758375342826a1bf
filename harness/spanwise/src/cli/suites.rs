//! Which suite files a command reads: those it is given, else `spanwise.yaml` here, else the demo; and how their services are
//! deployed.

use std::path::{Path, PathBuf};

use spanwise::model::Pattern;
use spanwise::plan::{More, Planned, PlanningError, SuiteText, plan_with};

use super::{Exit, unusable};

/// The suite file that is read when none is named.
pub(super) const DEFAULT: &str = "spanwise.yaml";

/// Such a file has no reason to be larger; what is, is something else.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads and plans; `deployed` are Cloud Run files. A mistake is shown where it stands in its file.
pub(super) fn planned(files: &[PathBuf], deployed: &[PathBuf], filter: &[Pattern]) -> Result<Planned, Exit> {
    let suites = texts(files)?;
    let deployed: Vec<SuiteText> = deployed.iter().map(|file| read(file)).collect::<Result<_, _>>()?;
    plan_with(&suites, filter, &More { deployed: &deployed, ..More::default() }).map_err(
        |error| match error {
            PlanningError::Suite(error) => {
                eprintln!("{:?}", miette::Report::new(*error));
                Exit::Unusable
            }
            other => unusable(other),
        },
    )
}

/// Whether it is the demo that is read.
pub(super) fn are_demo(files: &[PathBuf]) -> bool {
    files.is_empty() && !Path::new(DEFAULT).exists()
}

fn texts(files: &[PathBuf]) -> Result<Vec<SuiteText>, Exit> {
    if !files.is_empty() {
        return files.iter().map(|file| read(file)).collect();
    }
    if are_demo(files) { builtin() } else { Ok(vec![read(Path::new(DEFAULT))?]) }
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
        return Err(unusable(format!("{}: {size} bytes are too many for such a file", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Ok(SuiteText { file: file.display().to_string(), text })
}
