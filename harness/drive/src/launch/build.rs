//! What is run before services are started: a command of the user's that makes them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use spanwise_model::Source;

use super::service::{Service, how};
use super::{Launcher, program_in};
use crate::{DriveError, Instance as _};

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
    /// tool, and what it makes is no part of what is observed. It is killed with its group when `within` has passed, and when this
    /// future is dropped.
    ///
    /// # Errors
    /// It could not be started, did not succeed or took too long; the error holds the last lines it wrote.
    pub async fn build(&self, service: &str, build: &Build, within: Duration) -> Result<(), DriveError> {
        let mut words = build.words.iter();
        let program = words.next().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(program_in(program.as_ref(), build.folder.as_deref()));
        command.args(words);
        let source = Source::new(service, 1);
        let running = Service::run(command, build.folder.as_deref(), source, None, self.watcher.clone())?;
        let how = match tokio::time::timeout(within, running.exit_status()).await {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => how(status),
            Err(_) => {
                running.kill_as_it_is().await;
                format!("still ran after {} s and was killed", within.as_secs())
            }
        };
        running.last_words().await;
        Err(DriveError::Build {
            service: service.to_owned(),
            command: build.words.join(" "),
            how,
            output: running.last_lines(SHOWN),
        })
    }
}
