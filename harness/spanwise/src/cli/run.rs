//! `spanwise run`.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use spanwise::check::Profile;
use spanwise::model::{Pattern, RunEvent};
use spanwise::ratchet::Review;
use spanwise::report::{Json, Progress, Reporter, Terminal};
use spanwise::{Options, RunError};

use super::{Exit, Format, ratchet, record, runtime, suites, unusable};

#[derive(Args)]
pub(super) struct RunArguments {
    /// Suite files; without one ./spanwise.yaml, and without that the demo
    suites: Vec<PathBuf>,
    /// Only permutations whose full name, or a beginning of it, matches: `demo/greet` is the whole case; `*` stands for a
    /// component or a part of one, `**` for any number of components. May be given several times: one match is enough
    #[arg(long, value_name = "PATTERN")]
    filter: Vec<Pattern>,
    /// How a service is deployed to Cloud Run: the file that `gcloud run services replace` takes. Its `metadata.name` is the
    /// service of the suite that runs so on `platform=cloud-run`. May be given several times, once a service.
    ///
    /// Taken over what the suite says in `cloud-run`: the service account, timeout and concurrency, ingress, scaling, CPU
    /// throttling, custom audiences, a disabled check of invokers, and h2c. Its variables are set where neither the suite nor
    /// the run sets them; those whose values are secrets are told and not set. Not taken: image, command, arguments and the
    /// number of the port, because the suite says how the service is started; other containers
    #[arg(long, value_name = "FILE")]
    service_yaml: Vec<PathBuf>,
    /// How the report is written
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Which rules, and what fails; over what the suite says [otel, cloud-run, strict]
    #[arg(long, value_parser = profile)]
    profile: Option<Profile>,
    /// Fail only on findings that are not in this file, and say which of its lines can go
    #[arg(long, value_name = "FILE")]
    ratchet: Option<PathBuf>,
    /// Write the ratchet file from what this run finds; nothing that it writes fails the run
    #[arg(long, requires = "ratchet")]
    ratchet_update: bool,
    /// Write down all that is seen, for `spanwise replay`, in a folder that is empty or not there yet; secrets are left out
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Write every span that the services export as OTLP JSON lines, for the file receiver of the OpenTelemetry Collector
    #[arg(long, value_name = "FILE")]
    jsonl: Option<PathBuf>,
    /// How many settings' services run at once
    #[arg(long, value_name = "N", default_value_t = 8)]
    jobs: usize,
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

pub(super) fn run(arguments: RunArguments) -> Exit {
    let planned = match suites::planned(&arguments.suites, &arguments.service_yaml, &arguments.filter) {
        Ok(planned) => planned,
        Err(exit) => return exit,
    };
    for note in &planned.notes {
        eprintln!("spanwise: {note}");
    }
    if planned.plan.permutations.is_empty() {
        eprintln!("spanwise: no permutation is selected; `spanwise list` prints their names");
        return Exit::NothingSelected;
    }
    let mut options = Options { lanes: arguments.jobs, ..Options::default() };
    match arguments.profile {
        Some(profile) => options.profile = profile,
        None => options.suite_profiles = planned.profiles.clone(),
    }
    let ratchet = match arguments.ratchet.as_deref().map(|file| ratchet::read(file, arguments.ratchet_update))
    {
        None => None,
        Some(Ok(ratchet)) => Some(ratchet),
        Some(Err(exit)) => return exit,
    };
    options.ratchet = ratchet.clone().map(Arc::new);
    let recorder = match record::recorder(arguments.record.as_deref(), arguments.jsonl.as_deref()) {
        Ok(recorder) => recorder,
        Err(exit) => return exit,
    };
    options.record = recorder.clone();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let mut reporters = Reporters::new(arguments.format, arguments.quiet);
    let plan = Arc::new(planned.plan.clone());
    let mut review = ratchet.map(|ratchet| Review::new(ratchet, &planned, &options));
    let interrupted = Cell::new(false);
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
        interrupted.set(true);
    };
    let ended = runtime.block_on(spanwise::run_until(plan, options, stop, |event| {
        if let (RunEvent::Finished(result), Some(review)) = (event, &mut review) {
            review.take(result);
        }
        reporters.tell(event);
    }));
    // The services are gone before the report is written.
    drop(runtime);
    let strays_fail = reporters.strays_fail;
    let exit = match (ended, reporters.finish()) {
        (_, Err(error)) => unusable(format!("the report cannot be written: {error}")),
        (Ok(_), Ok(())) if interrupted.get() => {
            eprintln!("spanwise: interrupted");
            Exit::CouldNotRun
        }
        (Ok(summary), Ok(())) => match review {
            Some(review) if arguments.ratchet_update => ratchet::update(&review, &summary, strays_fail),
            Some(review) => {
                ratchet::tell(&review);
                Exit::of(&summary, strays_fail)
            }
            None => Exit::of(&summary, strays_fail),
        },
        (Err(error), Ok(())) => could_not(&error),
    };
    record::finish(recorder, exit)
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

/// The report on standard output, and progress on standard error.
pub(super) struct Reporters {
    report: Box<dyn Reporter>,
    progress: Progress<io::Stderr>,
    failed: Option<io::Error>,
    /// Whether a finding that belongs to no permutation fails the run.
    pub(super) strays_fail: bool,
}

impl Reporters {
    pub(super) fn new(format: Format, quiet: bool) -> Reporters {
        let out = io::BufWriter::new(io::stdout());
        let report: Box<dyn Reporter> = match format {
            Format::Json => Box::new(Json::new(out)),
            Format::Terminal => Box::new(Terminal::new(out, colors())),
        };
        Reporters { report, progress: Progress::new(io::stderr(), quiet), failed: None, strays_fail: false }
    }

    pub(super) fn tell(&mut self, event: &RunEvent) {
        // Progress is a comfort: where standard error is gone, the run goes on.
        let _ = self.progress.on_event(event);
        if let Err(error) = self.report.on_event(event) {
            self.failed.get_or_insert(error);
        }
        if let RunEvent::Ended { strays_fail, .. } = event {
            self.strays_fail = *strays_fail;
        }
    }

    /// Writes what is left; the first error of all writing.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let _ = self.progress.finish();
        let finished = self.report.finish();
        drop(self.report);
        self.failed.map_or(finished, Err)?;
        io::stdout().flush()
    }
}

/// Whether standard output wants color: a terminal, and nobody said no (<https://no-color.org>).
fn colors() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
