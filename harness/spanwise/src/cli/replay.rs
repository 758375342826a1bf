//! `spanwise replay`.

use std::error::Error as _;
use std::path::PathBuf;

use clap::Args;
use spanwise::Recording;
use spanwise::check::Profile;

use super::run::{Reporters, profile};
use super::{Exit, Format, record, unusable};

#[derive(Args)]
pub(super) struct ReplayArguments {
    /// The folder that `spanwise run --record` wrote
    #[arg(value_name = "DIR")]
    recording: PathBuf,
    /// How the report is written
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Which rules, and what fails; without it as in the run that was recorded [otel, cloud-run, strict]
    #[arg(long, value_parser = profile)]
    profile: Option<Profile>,
    /// Write every span that the services exported as OTLP JSON lines, for the file receiver of the OpenTelemetry Collector
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
}

pub(super) fn replay(arguments: ReplayArguments) -> Exit {
    let recording = match Recording::open(&arguments.recording) {
        Ok(recording) => recording,
        Err(error) => return unusable(words(&error)),
    };
    let mut options = recording.options();
    if let Some(profile) = arguments.profile {
        options.profile = profile;
        options.suite_profiles.clear();
    }
    options.record = match record::recorder(None, arguments.jsonl.as_deref()) {
        Ok(recorder) => recorder,
        Err(exit) => return exit,
    };
    let recorder = options.record.clone();
    let mut reporters = Reporters::new(arguments.format, true);
    let replayed = match spanwise::replay(&recording, options, |event| reporters.tell(event)) {
        Ok(replayed) => replayed,
        Err(error) => return unusable(words(&error)),
    };
    let strays_fail = reporters.strays_fail;
    if let Err(error) = reporters.finish() {
        return unusable(format!("the report cannot be written: {error}"));
    }
    let exit = match (replayed.is_complete, replayed.cut) {
        (true, None) => Exit::of(&replayed.summary, strays_fail),
        (_, cut) => {
            let why = cut.map(|cut| format!(": {cut}")).unwrap_or_default();
            eprintln!("spanwise: the recorded run was broken off{why}");
            Exit::CouldNotRun
        }
    };
    record::finish(recorder, exit)
}

fn words(error: &spanwise::ReplayError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}
