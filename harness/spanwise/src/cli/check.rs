//! `spanwise check`.

use std::path::PathBuf;

use clap::Args;
use spanwise::capture::{CaptureFile, check as check_captures};
use spanwise::check::Profile;

use super::run::{Reporters, profile};
use super::{Exit, Format, unusable};

#[derive(Args)]
pub(super) struct CheckArguments {
    /// Files of JSON lines: OTLP ExportTraceServiceRequests, Cloud Trace BatchWriteSpansRequests, or a recording
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Which rules, and what fails [otel, cloud-run, strict]
    #[arg(long, value_parser = profile, default_value = "otel")]
    profile: Profile,
}

pub(super) fn check(arguments: CheckArguments) -> Exit {
    let mut files = Vec::new();
    for file in &arguments.files {
        match CaptureFile::open(file) {
            Ok(opened) => files.push(opened),
            Err(error) => return unusable(format!("{}: {error}", file.display())),
        }
    }
    let mut reporters = Reporters::new(arguments.format, true);
    match check_captures(&mut files, arguments.profile, |event| reporters.tell(event)) {
        Err(error) => unusable(error),
        Ok(summary) => {
            let strays_fail = reporters.strays_fail;
            match reporters.finish() {
                Ok(()) => Exit::of(&summary, strays_fail),
                Err(error) => unusable(format!("the report cannot be written: {error}")),
            }
        }
    }
}
