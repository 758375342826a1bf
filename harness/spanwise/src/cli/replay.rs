//! `spanwise replay`.

use std::error::Error as _;
use std::path::PathBuf;

use clap::Args;
use spanwise::Recording;
use spanwise::check::Profile;
use spanwise::model::RunEvent;

use super::reports::{ReportArguments, progress};
use super::run::profile;
use super::{Exit, ratchet, record, unusable};

#[derive(Args)]
pub(super) struct ReplayArguments {
    /// The folder that `spanwise run --record` wrote
    #[arg(value_name = "DIR")]
    recording: PathBuf,
    #[command(flatten)]
    reports: ReportArguments,
    /// Which rules, and what fails; without it as in the run that was recorded [otel, cloud-run, strict]
    #[arg(long, value_parser = profile)]
    profile: Option<Profile>,
    /// Write every span that the services exported as OTLP JSON lines, for the file receiver of the OpenTelemetry Collector
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
}

pub(super) fn replay(arguments: &ReplayArguments) -> Exit {
    replayed(arguments).unwrap_or_else(|exit| exit)
}

fn replayed(arguments: &ReplayArguments) -> Result<Exit, Exit> {
    let wrong = |error| unusable(words(&error));
    let recording = Recording::open(&arguments.recording).map_err(wrong)?;
    let mut options = recording.options();
    if let Some(profile) = arguments.profile {
        options.profile = profile;
        options.suite_profiles.clear();
    }
    let recorder = record::recorder(None, arguments.jsonl.as_deref())?;
    options.record = recorder.clone();
    let mut review = recording.review(&options);
    let mut reporters = arguments.reports.open(progress(true))?;
    let replayed = spanwise::replay(&recording, options, |event| {
        if let (RunEvent::Finished(result), Some(review)) = (event, &mut review) {
            review.take(result);
        }
        reporters.tell(event);
    });
    let replayed = replayed.map_err(wrong)?;
    let strays_fail = reporters.strays_fail;
    reporters.finish()?;
    let exit = Exit::of(&replayed.summary, strays_fail);
    let exit = match (replayed.is_complete, replayed.cut) {
        (true, None) => {
            review.iter().for_each(ratchet::tell);
            exit
        }
        (_, cut) => {
            let why = cut.map(|cut| format!(": {cut}")).unwrap_or_default();
            eprintln!("spanwise: the recorded run was broken off{why}");
            exit.broken_off()
        }
    };
    Ok(record::finish(recorder, exit))
}

fn words(error: &spanwise::ReplayError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}
