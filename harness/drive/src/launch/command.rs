//! Commands: processes that end by themselves, such as a client program. They are held as services are: a group of their own, which
//! is killed when nobody waits any more, and the watcher behind that.

use std::time::Duration;

use spanwise_model::{LogRecord, ProcessEventKind, Stream};

use super::process::exited;
use super::service::Service;
use super::{Launch, Launcher};
use crate::{DriveError, Instance as _};

/// A command that is over.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code, or in words what ended it.
    pub code: Result<i32, String>,
    /// What it wrote, secrets replaced.
    pub logs: Vec<LogRecord>,
}

impl Ended {
    /// The lines of standard output as one text.
    pub fn stdout(&self) -> String {
        let lines = self.logs.iter().filter(|record| record.stream == Stream::Stdout);
        lines.map(|record| record.line.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Launcher {
    /// Runs a command to its end, or kills it with its group when `within` has passed. Dropping the future kills it, too. What the
    /// launch says of readiness does not matter.
    pub async fn run(&self, launch: &Launch, within: Duration) -> Result<Ended, DriveError> {
        let command = Service::spawn(launch, None, self.watcher.clone())?;
        let code = match tokio::time::timeout(within, command.exit_status()).await {
            Ok(status) => match exited(status) {
                ProcessEventKind::Exited { code: Some(code), .. } => Ok(code),
                ProcessEventKind::Exited { signal: Some(signal), .. } => {
                    Err(format!("was ended by signal {signal}"))
                }
                _ => Err("ended".to_owned()),
            },
            Err(_) => {
                command.kill_as_it_is().await;
                Err(format!("still ran after {} ms and was killed", within.as_millis()))
            }
        };
        command.last_words().await;
        Ok(Ended { code, logs: command.logs() })
    }
}
