//! `spanwise merge`.

use std::path::PathBuf;

use clap::Args;
use spanwise::model::Finding;
use spanwise::report::{Merged, Progress};

use super::reports::ReportArguments;
use super::{Exit, unusable};

#[derive(Args)]
pub(super) struct MergeArguments {
    /// JSON reports (`--json FILE`) of shards of one run, or of runs of different suites
    #[arg(required = true, value_name = "REPORT")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reports: ReportArguments,
}

pub(super) fn merge(arguments: &MergeArguments) -> Exit {
    let mut merged = Merged::default();
    for file in &arguments.files {
        let name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return unusable(format!("the report {name} cannot be read: {error}")),
        };
        if let Err(error) = merged.take(&name, &text) {
            return unusable(error);
        }
    }
    let exit = Exit::of(&merged.summary(), merged.strays_fail());
    let mut troubles = merged.missing();
    if !merged.broken_off().is_empty() {
        let reports = merged.broken_off().join(", ");
        troubles.push(format!("the run of {reports} was broken off, so something may be missing"));
    }
    if !troubles.is_empty() {
        // The report is one of a run that was broken off, which has none of these.
        let of_none =
            |finding: &Finding| format!("belongs to no permutation: {}: {}", finding.rule, finding.message);
        troubles.extend(merged.strays().iter().map(of_none));
    }
    // The reports may be among the files that are written, so they are opened when all are read.
    let mut reporters = match arguments.reports.open(Box::new(Progress::new(std::io::sink(), true))) {
        Ok(reporters) => reporters,
        Err(exit) => return exit,
    };
    merged.into_events().iter().for_each(|event| reporters.tell(event));
    if let Err(exit) = reporters.finish() {
        return exit;
    }
    troubles.iter().for_each(|trouble| eprintln!("spanwise: {trouble}"));
    if troubles.is_empty() { exit } else { exit.broken_off() }
}
