//! `spanwise check`.

use std::path::PathBuf;

use clap::Args;
use spanwise::capture::{CaptureFile, check_with};
use spanwise::check::{Profile, conventions};
use spanwise::model::Label;
use spanwise::{RegistryError, registry_labels};

use super::reports::{ReportArguments, progress};
use super::run::profile;
use super::{Exit, unusable};

#[derive(Args)]
pub(super) struct CheckArguments {
    /// Files of JSON lines: OTLP ExportTraceServiceRequests, Cloud Trace BatchWriteSpansRequests, or a recording
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArguments,
    /// Which rules, and what fails [otel, cloud-run, strict]
    #[arg(long, value_parser = profile, default_value = "otel")]
    profile: Profile,
    /// The version of the semantic conventions that labels are held against
    #[arg(long, value_name = "VERSION", value_parser = schema, default_value = conventions::schema())]
    schema: String,
    /// Labels of your own: a file, or a folder of them, in the format of Weaver
    #[arg(long, value_name = "PATH")]
    registry: Option<String>,
}

/// Reads a version of the conventions.
fn schema(version: &str) -> Result<String, String> {
    match conventions::schemas().contains(&version) {
        true => Ok(version.to_owned()),
        false => Err(format!("no such version is built in; there is {}", conventions::schemas().join(", "))),
    }
}

pub(super) fn check(arguments: &CheckArguments) -> Exit {
    checked(arguments).unwrap_or_else(|exit| exit)
}

fn checked(arguments: &CheckArguments) -> Result<Exit, Exit> {
    // One version is built in, and clap has seen that it is this.
    let CheckArguments { files, reports, profile, schema: _, registry } = arguments;
    let open = |file: &PathBuf| {
        CaptureFile::open(file).map_err(|error| unusable(format!("{}: {error}", file.display())))
    };
    let mut files: Vec<CaptureFile> = files.iter().map(open).collect::<Result<_, _>>()?;
    let labels = registry.as_deref().map(labels).transpose()?.unwrap_or_default();
    let mut reporters = reports.open(progress(true))?;
    let summary =
        check_with(&mut files, *profile, &labels, |event| reporters.tell(event)).map_err(unusable)?;
    let strays_fail = reporters.strays_fail;
    reporters.finish()?;
    Ok(Exit::of(&summary, strays_fail))
}

/// The labels of a registry; a mistake is shown where it stands in its file.
fn labels(path: &str) -> Result<Vec<Label>, Exit> {
    registry_labels(path).map_err(|error| match error {
        RegistryError::Mistake(error) => {
            eprintln!("{:?}", miette::Report::new(*error));
            Exit::Unusable
        }
        other => unusable(other),
    })
}
