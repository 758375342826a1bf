//! `spanwise run`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use spanwise::check::Profile;
use spanwise::model::{RunEvent, Summary};
use spanwise::plan::Planned;
use spanwise::ratchet::Review;
use spanwise::{Kept, Options, Recorder, RunError};

use super::reports::{ReportArguments, Reporters, progress};
use super::selection::Selection;
use super::signals::{self, Signals};
use super::{Exit, kept, ratchet, record, repeat, runtime, suites, unusable};

#[derive(Args)]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) selection: Selection,
    #[command(flatten)]
    reports: ReportArguments,
    /// Which rules, and what fails; over what the suite says [otel, cloud-run, strict]
    #[arg(long, value_parser = profile)]
    pub(super) profile: Option<Profile>,
    /// Fail only on findings that are not in this file, and say which of its lines can go
    #[arg(long, value_name = "FILE")]
    pub(super) ratchet: Option<PathBuf>,
    /// Write the ratchet file from what this run finds; nothing that it writes fails the run
    #[arg(long, requires = "ratchet")]
    ratchet_update: bool,
    /// How many settings' services run at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
    /// End the run with the first permutation that fails
    #[arg(long)]
    fail_fast: bool,
    /// Run everything N times, and count how often each permutation failed: for tracing that works most of the time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    repeat: u16,
    /// Leave the services up after the report, and say where they, the proxies before them and the collector are, until Ctrl-C
    #[arg(long, conflicts_with_all = ["repeat", "fail_fast"])]
    keep_running: bool,
    /// Show what the services wrote about permutations that fail
    #[arg(long)]
    logs: bool,
    /// Write down all that is seen, for `spanwise replay`, in a folder that is empty or not there yet; secrets are left out
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Write every span that the services export as OTLP JSON lines, for the file receiver of the OpenTelemetry Collector
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// No progress on standard error
    #[arg(long, short)]
    quiet: bool,
}

/// Reads a profile's name.
pub(super) fn profile(name: &str) -> Result<Profile, String> {
    name.parse().map_err(|()| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.as_str()).collect();
        format!("no such profile; there are {}", names.join(", "))
    })
}

pub(super) fn run(arguments: &RunArguments) -> Exit {
    begun(arguments).unwrap_or_else(|exit| exit)
}

/// What came of a run.
struct Ran {
    summary: Summary,
    kept: Option<Kept>,
}

/// Everything that can be wrong is told before anything is started.
fn begun(arguments: &RunArguments) -> Result<Exit, Exit> {
    let planned = arguments.selection.planned()?;
    if suites::are_demo(&arguments.selection.suites) && !arguments.quiet {
        eprintln!(
            "spanwise: no {} here, so this is the demo; `spanwise init` writes one for your services",
            suites::DEFAULT
        );
    }
    for note in &planned.notes {
        eprintln!("spanwise: {note}");
    }
    if arguments.keep_running {
        kept::is_possible(&planned.plan)?;
    }
    let writes = [("--record", arguments.record.is_some()), ("--jsonl", arguments.jsonl.is_some())];
    if let Some((option, _)) = writes.into_iter().find(|(_, is_given)| *is_given && arguments.repeat > 1) {
        return Err(unusable(format!(
            "`{option}` writes down one run, and `--repeat {}` makes several; leave one of them out, or call `spanwise run` several \
             times, each with a place of its own for what it writes",
            arguments.repeat
        )));
    }
    let recorder = record::recorder(arguments.record.as_deref(), arguments.jsonl.as_deref())?;
    let recorder = recorder.map(|recorder| recorder.with_cut_cases(planned.cut_cases.clone()));
    let exit = recorded(arguments, &planned, recorder.clone()).unwrap_or_else(|exit| exit);
    Ok(record::finish(recorder, exit))
}

/// Runs, and reports; what could not be recorded of it is for the caller to say.
fn recorded(arguments: &RunArguments, planned: &Planned, recorder: Option<Recorder>) -> Result<Exit, Exit> {
    let file = arguments.ratchet.as_deref();
    let ratchet = file.map(|file| ratchet::read(file, arguments.ratchet_update)).transpose()?;
    let ratcheted = ratchet.clone().map(Arc::new);
    let options = Options { ratchet: ratcheted, record: recorder, ..options(arguments, planned) };
    let review = |ratchet| Review::new(ratchet, &planned.plan, planned.cut_cases.clone(), &options);
    let mut review = ratchet.map(review);
    let mut reporters = arguments.reports.open(progress(arguments.quiet))?;
    let runtime = runtime()?;
    let signals = runtime.block_on(async { Signals::listen(signals::tell) })?;
    let ran = runtime.block_on(ran(arguments, planned, options, signals.stopped(), |event| {
        if let (RunEvent::Finished(result) | RunEvent::InRound(result), Some(review)) = (event, &mut review) {
            review.take(result);
        }
        reporters.tell(event);
    }));
    let Reporters { strays_fail, ended, .. } = reporters;
    reporters.finish()?;
    let Ran { summary, kept } = ran.map_err(|error| could_not(&error))?;
    let exit = Exit::of(&summary, strays_fail);
    if let Some(kept) = kept {
        runtime.block_on(kept::until(kept, signals.stopped()));
    } else if !ended && signals.is_stopped() {
        eprintln!("spanwise: interrupted");
        return Ok(exit.broken_off());
    } else if !ended {
        let (told, all) = (summary.all(), planned.plan.permutations.len());
        eprintln!(
            "spanwise: ended by the first failure (`--fail-fast`): {told} of {all} permutations are in the report"
        );
        return Ok(exit.broken_off());
    }
    Ok(match review {
        Some(review) if arguments.ratchet_update => ratchet::update(&review, &summary, strays_fail),
        Some(review) => {
            ratchet::tell(&review);
            exit
        }
        None => exit,
    })
}

fn options(arguments: &RunArguments, planned: &Planned) -> Options {
    let options = Options {
        lanes: arguments.jobs,
        fail_fast: arguments.fail_fast,
        logs: arguments.logs,
        part: planned.part.clone(),
        command: Some(repeat::command(arguments)),
        ..Options::default()
    };
    match arguments.profile {
        Some(profile) => Options { profile, ..options },
        None => Options { suite_profiles: planned.profiles.clone(), ..options },
    }
}

async fn ran(
    arguments: &RunArguments,
    planned: &Planned,
    options: Options,
    stop: impl Future<Output = ()>,
    on_event: impl FnMut(&RunEvent),
) -> Result<Ran, RunError> {
    let plan = Arc::new(planned.plan.clone());
    if arguments.keep_running {
        let (summary, kept) = spanwise::run_and_keep(plan, options, stop, on_event).await?;
        return Ok(Ran { summary, kept });
    }
    let rounds = usize::from(arguments.repeat);
    let summary = spanwise::run_rounds(plan, options, rounds, stop, on_event).await?;
    Ok(Ran { summary, kept: None })
}

fn could_not(error: &RunError) -> Exit {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    eprintln!("spanwise: {message}");
    Exit::CouldNotRun
}
