//! Arguments, commands and exit codes.

mod check;
mod collect;
mod explain;
mod generate;
mod init;
mod kept;
mod list;
mod merge;
mod ratchet;
mod record;
mod repeat;
mod replay;
mod reports;
mod run;
mod selection;
mod signals;
mod style;
mod suites;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use spanwise::model::Summary;

/// A tracing conformance test harness: starts services, drives HTTP and gRPC requests at them, and says, span by span,
/// what is wrong.
#[derive(Parser)]
#[command(name = "spanwise", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Start services, drive requests, check every span, report (what `spanwise` does without a command)
    Run(run::RunArguments),
    /// Report on a recorded run again, without starting anything
    Replay(replay::ReplayArguments),
    /// Write a first suite, spanwise.yaml, by looking at a folder
    Init(init::InitArguments),
    /// Check captures offline: OTLP JSON lines, JSON lines of Cloud Trace BatchWriteSpans requests, recordings
    Check(check::CheckArguments),
    /// Run the mock of Google Cloud Trace and OTLP on its own, for any exporter, until SIGTERM or Ctrl-C
    Collect(collect::CollectArguments),
    /// Print the full names of permutations, or the rules
    List(list::ListArguments),
    /// Print the page of a rule: what it checks, why it matters, a bad and a good trace, how to fix it
    Explain(explain::ExplainArguments),
    /// Put JSON reports of shards together, and write one report
    Merge(merge::MergeArguments),
    /// Print completions for a shell
    Completions(generate::CompletionsArguments),
    /// Print a man page
    Man(generate::ManArguments),
}

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// No finding at a failing level.
    Conforms,
    /// A finding at a failing level, or a known-failing entry that is stale.
    Findings,
    /// Wrong arguments, or input that cannot be read.
    Unusable,
    /// Something could not run.
    CouldNotRun,
    /// No permutation was selected.
    NothingSelected,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Conforms => 0,
            Exit::Findings => 1,
            Exit::Unusable => 2,
            Exit::CouldNotRun => 3,
            Exit::NothingSelected => 4,
        })
    }
}

impl Exit {
    /// What a summary of outcomes means; findings beat what could not run.
    fn of(summary: &Summary, strays_fail: bool) -> Exit {
        let Summary { failed, unexpectedly_passed, could_not_run, .. } = summary;
        if strays_fail || failed + unexpectedly_passed > 0 {
            Exit::Findings
        } else if *could_not_run > 0 {
            Exit::CouldNotRun
        } else {
            Exit::Conforms
        }
    }

    /// The same of a run that did not come to its end: what was not reached is no pass.
    fn broken_off(self) -> Exit {
        if self == Exit::Conforms { Exit::CouldNotRun } else { self }
    }
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    // clap ends the program itself for `--help` (0) and for arguments it does not know (2).
    let arguments = Arguments::parse();
    style::of_errors();
    let exit = match arguments.command.unwrap_or(Command::Run(arguments.run)) {
        Command::Run(arguments) => run::run(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Collect(arguments) => collect::collect(arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Completions(arguments) => generate::completions(&arguments),
        Command::Man(arguments) => generate::man(&arguments),
    };
    exit.into()
}

/// Says why the input cannot be used.
fn unusable(message: impl std::fmt::Display) -> Exit {
    eprintln!("spanwise: {message}");
    Exit::Unusable
}

/// An async runtime for a command.
fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| {
        eprintln!("spanwise: no async runtime: {error}");
        Exit::CouldNotRun
    })
}
