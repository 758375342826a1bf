//! What is run before services are started: a command of the user's that makes them.

use std::path::PathBuf;
use std::process::Command;

use spanwise_model::Source;

use super::service::{Service, how};
use super::{Launcher, program_in};
use crate::DriveError;

/// How many lines of each stream an error shows: compilers say more than one line about a mistake.
const SHOWN: usize = 20;

/// A command that must succeed before services are started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    /// The program, as that of a [`super::Launch`], and its arguments.
    pub words: Vec<String>,
    /// The folder that it runs in; the harness's own when `None`.
    pub folder: Option<PathBuf>,
}

impl Launcher {
    /// Runs the command to its end, for a service by this name, with the whole environment of the harness: it is the user's own
    /// tool, and what it makes is no part of what is observed. How long it takes is its own affair; when this future is dropped,
    /// it is killed.
    ///
    /// # Errors
    /// It could not be started, or did not succeed; the error holds the last lines it wrote.
    pub async fn build(&self, service: &str, build: &Build) -> Result<(), DriveError> {
        let mut words = build.words.iter();
        let program = words.next().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(program_in(program.as_ref(), build.folder.as_deref()));
        command.args(words);
        let source = Source::new(service, 1);
        let running = Service::run(command, build.folder.as_deref(), source, None, self.watcher.clone())?;
        let status = running.exit_status().await;
        if status.success() {
            return Ok(());
        }
        running.last_words().await;
        Err(DriveError::Build {
            service: service.to_owned(),
            command: build.words.join(" "),
            how: how(status),
            output: running.last_lines(SHOWN),
        })
    }
}
