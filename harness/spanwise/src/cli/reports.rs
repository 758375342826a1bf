//! The arguments that ask for reports, and the reporters that they make: of `run`, `check` and `merge`.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use spanwise::model::RunEvent;
use spanwise::report::{Annotations, Bar, Json, Junit, Markdown, Progress, Reporter, Terminal};

use super::{Exit, style, unusable};

#[derive(Args)]
pub(super) struct ReportArguments {
    /// What is written to standard output
    #[arg(long, value_enum, default_value = "terminal")]
    format: Format,
    /// Write the report for programs to a file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write JUnit XML, for CI servers: a test case a permutation
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write a summary in Markdown, for pull requests and job summaries
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print annotations for GitHub Actions below the report: root causes, at their case in the suite file
    #[arg(long)]
    annotations: bool,
}

/// How a report is written to standard output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a person
    Terminal,
    /// For a program; the schema is `fixtures/schema/report.schema.json`
    Json,
}

/// What goes to standard output and files, and progress on standard error.
pub(super) struct Reporters {
    progress: Box<dyn Reporter>,
    /// In the order in which they are written, each with the name of its file.
    reports: Vec<(String, Box<dyn Reporter>)>,
    failed: Option<String>,
    /// Whether a finding that belongs to no permutation fails the run.
    pub(super) strays_fail: bool,
    /// Whether the run came to its end.
    pub(super) ended: bool,
}

impl ReportArguments {
    /// Opens the files. One that cannot be written is told here, before anything runs.
    pub(super) fn open(&self, progress: Box<dyn Reporter>) -> Result<Reporters, Exit> {
        if self.annotations && self.format == Format::Json {
            return Err(unusable(
                "`--annotations` would stand in the JSON on standard output; write that to a file, with `--json FILE`",
            ));
        }
        let out = BufWriter::new(io::stdout());
        let report: Box<dyn Reporter> = match self.format {
            Format::Json => Box::new(Json::new(out)),
            Format::Terminal => Box::new(Terminal::new(out, style::on_stdout())),
        };
        let mut reports = vec![("standard output".to_owned(), report)];
        let mut add = |file: &Option<PathBuf>, make: fn(BufWriter<File>) -> Box<dyn Reporter>| {
            let Some(file) = file else { return Ok(()) };
            let opened = File::create(file).map_err(|error| {
                unusable(format!("the report {} cannot be written: {error}", file.display()))
            })?;
            reports.push((file.display().to_string(), make(BufWriter::new(opened))));
            Ok(())
        };
        add(&self.json, |file| Box::new(Json::new(file)))?;
        add(&self.junit, |file| Box::new(Junit::new(file)))?;
        add(&self.markdown, |file| Box::new(Markdown::new(file)))?;
        if self.annotations {
            let out = BufWriter::new(io::stdout());
            reports.push(("standard output".to_owned(), Box::new(Annotations::new(out, in_repository))));
        }
        Ok(Reporters { progress, reports, failed: None, strays_fail: false, ended: false })
    }
}

/// What tells on standard error how far a run is: a bar on a terminal, else lines.
pub(super) fn progress(quiet: bool) -> Box<dyn Reporter> {
    if !quiet && io::stderr().is_terminal() {
        return Box::new(Bar::new());
    }
    Box::new(Progress::new(io::stderr(), quiet))
}

impl Reporters {
    pub(super) fn tell(&mut self, event: &RunEvent) {
        // Progress is a comfort: where standard error is gone, the run goes on.
        let _ = self.progress.on_event(event);
        for (file, report) in &mut self.reports {
            if let Err(error) = report.on_event(event) {
                self.failed.get_or_insert(format!("{file}: {error}"));
            }
        }
        if let RunEvent::Ended { strays_fail, .. } = event {
            self.strays_fail = *strays_fail;
            self.ended = true;
        }
    }

    /// Writes all reports; an error is the first of all writing.
    pub(super) fn finish(self) -> Result<(), Exit> {
        let Reporters { mut progress, reports, mut failed, .. } = self;
        let _ = progress.finish();
        for (file, mut report) in reports {
            if let Err(error) = report.finish() {
                failed.get_or_insert(format!("{file}: {error}"));
            }
        }
        if let Err(error) = io::stdout().flush() {
            failed.get_or_insert(format!("standard output: {error}"));
        }
        failed.map_or(Ok(()), |why| Err(unusable(format!("the report cannot be written: {why}"))))
    }
}

/// The path of a file as GitHub knows it: below the root of the repository, which a job may have left.
fn in_repository(file: &str) -> String {
    let workspace = std::env::var_os("GITHUB_WORKSPACE").filter(|workspace| !workspace.is_empty());
    let below = workspace.and_then(|workspace| {
        let file = std::fs::canonicalize(file).ok()?;
        let workspace = std::fs::canonicalize(Path::new(&workspace)).ok()?;
        Some(file.strip_prefix(workspace).ok()?.display().to_string())
    });
    below.unwrap_or_else(|| file.to_owned())
}
