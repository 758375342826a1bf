//! A started service, as the harness holds it: what it said, where it serves, and how it is frozen, thawed and ended.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use spanwise_model::{Evidence, LogRecord, ProcessEvent, ProcessEventKind, Source, Stream};
use tokio::process::{ChildStderr, ChildStdout};

use super::output::Output;
use super::port::Port;
use super::process::{Process, exited};
use super::watcher::{MARKER, Watcher};
use super::{Launch, listening, port, program_in};
use crate::{DriveError, Instance};

/// A started service. Dropping it kills its whole process group and reaps it.
pub struct Service {
    process: Arc<Process>,
    /// The thread that waits for its end.
    reaper: Option<JoinHandle<()>>,
    output: Arc<Output>,
    address: Option<SocketAddr>,
    /// The port that it was given, where it does not choose one.
    port: Option<Port>,
}

/// A service that did not get ready.
pub(super) struct Failed {
    pub(super) error: DriveError,
    /// Whether it ended after it wrote that somebody else has its port.
    pub(super) port_was_taken: bool,
}

impl Service {
    /// Spawns the process; it is not ready yet.
    pub(super) fn spawn(
        launch: &Launch,
        port: Option<Port>,
        watcher: Arc<Watcher>,
    ) -> Result<Service, DriveError> {
        let number = port.as_ref().map_or(0, Port::number).to_string();
        let filled = |text: &String| text.replace(Launch::PORT, &number);
        let folder = launch.folder.as_deref();
        let mut command = Command::new(program_in(&launch.program, folder));
        command.args(launch.args.iter().map(filled));
        command.env_clear().envs(super::environment::base());
        command.envs(launch.env.iter().map(|(name, value)| (name, filled(value))));
        let awaited = launch.ready.awaited();
        let mut service = Service::run(command, folder, launch.source.clone(), awaited, watcher)?;
        service.port = port;
        Ok(service)
    }

    /// Spawns a command in a process group of its own and reads what it writes; a line with the awaited text in it is news.
    pub(super) fn run(
        mut command: Command,
        folder: Option<&Path>,
        source: Source,
        awaited: Option<String>,
        watcher: Arc<Watcher>,
    ) -> Result<Service, DriveError> {
        if let Some(folder) = folder {
            // The operating system would say of the program that it is not there.
            if !folder.is_dir() {
                return Err(DriveError::NoFolder { service: source.to_string(), folder: folder.to_owned() });
            }
            command.current_dir(folder);
        }
        command.env(MARKER, watcher.run());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let failed = |reason: std::io::Error| match reason.kind() {
            ErrorKind::NotFound if !program.contains('/') => {
                DriveError::NoProgram { program: program.clone() }
            }
            _ => DriveError::Spawn { program: program.clone(), reason },
        };
        let mut child = command.spawn().map_err(failed)?;

        let process = Process::watched(source.clone(), &child, watcher);
        let output = Output::new(source, awaited);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let reaper = Some(process.clone().reap_when_it_ends(child).map_err(failed)?);
        // From here on, whatever fails drops the service, which kills it.
        let service = Service { process, reaper, output, address: None, port: None };
        if let Some(stdout) = stdout {
            let stdout = ChildStdout::from_std(stdout).map_err(failed)?;
            tokio::spawn(service.output.clone().read(Stream::Stdout, stdout));
        }
        if let Some(stderr) = stderr {
            let stderr = ChildStderr::from_std(stderr).map_err(failed)?;
            tokio::spawn(service.output.clone().read(Stream::Stderr, stderr));
        }
        Ok(service)
    }

    /// Waits until it is ready, has ended, or its time is up; in the last two cases it is killed with the error.
    pub(super) async fn until_ready(mut self, launch: &Launch) -> Result<Service, Failed> {
        let mut seen = String::new();
        let given = self.port.as_ref().map(Port::number);
        let told = SocketAddr::from((Ipv4Addr::LOCALHOST, given.unwrap_or_default()));
        let mut port_was_taken = false;
        let error = tokio::select! {
            biased;
            address = launch.ready.reached(&self.output, told, &mut seen) => {
                self.address = Some(address);
                self.process.happened(ProcessEventKind::Ready);
                self.look_where_it_listens(address.port()).await;
                return Ok(self);
            }
            status = self.exit_status() => {
                self.output.last_words().await;
                port_was_taken = !self.output.lines_where(|record| port::is_taken(&record.line)).is_empty();
                DriveError::Exited { service: self.source().to_string(), how: how(status), output: self.output.tail() }
            }
            // waits on purpose: how long it may take is the caller's to say.
            () = tokio::time::sleep(launch.ready_within) => {
                DriveError::NotReady {
                    service: self.source().to_string(),
                    within: launch.ready_within,
                    waited_for: format!("{}{seen}{}", launch.ready, elsewhere(&self.listens_at().await, given)),
                    output: self.output.tail(),
                }
            }
        };
        Err(Failed { error, port_was_taken })
    }

    /// Writes down the sockets of its group; the one at which it is ready is at the port that it was told.
    async fn look_where_it_listens(&self, port: u16) {
        for address in self.listens_at().await {
            self.process.happened(ProcessEventKind::Listening { address, on_port: address.port() == port });
        }
    }

    /// The sockets of its group.
    async fn listens_at(&self) -> Vec<SocketAddr> {
        let group = self.process.pid();
        // It reads files of the kernel, which may block.
        tokio::task::spawn_blocking(move || listening::addresses(group)).await.unwrap_or_default()
    }

    /// Waits until the process has ended by itself or otherwise; how it did. One that is frozen has not ended.
    pub async fn exit_status(&self) -> ExitStatus {
        self.process.exited().await
    }

    /// The last lines of each stream, as [`Instance::tail`] gives them.
    pub(super) fn last_lines(&self, shown: usize) -> String {
        self.output.last_lines(shown)
    }

    /// Waits until both streams came to their end.
    pub(super) async fn last_words(&self) {
        self.output.last_words().await;
    }
}

impl Instance for Service {
    fn source(&self) -> &Source {
        self.process.source()
    }

    fn addr(&self) -> SocketAddr {
        // Only a service that is ready gets out of the launcher, and readiness has an address.
        self.address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())
    }

    /// Everything: its output is read, and its process watched.
    fn shows(&self, _: Evidence) -> bool {
        true
    }

    fn logs_where(&self, wanted: &dyn Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
        self.output.lines_where(wanted)
    }

    /// Between the first 20,000 and the last 5,000.
    fn dropped_lines(&self) -> u64 {
        self.output.dropped()
    }

    fn tail(&self) -> String {
        self.output.tail()
    }

    fn events(&self) -> Vec<ProcessEvent> {
        self.process.events()
    }

    /// It is also the number of its process group.
    fn pid(&self) -> Option<u32> {
        Some(self.process.pid().as_raw().cast_unsigned())
    }

    /// SIGSTOP to its whole process group.
    fn freeze(&self) {
        self.process.freeze();
    }

    /// SIGCONT to its whole process group.
    fn thaw(&self) {
        self.process.thaw();
    }

    fn exited(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.exit_status().map(drop))
    }

    /// SIGTERM to the process, SIGKILL to its whole group when `grace` has passed.
    fn terminate(&self, grace: Duration) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            self.process.terminate();
            if tokio::time::timeout(grace, self.exit_status()).await.is_err() {
                return self.kill_as_it_is().await;
            }
            self.output.last_words().await;
            self.events()
        })
    }

    /// SIGKILL to its whole group.
    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            self.process.kill();
            self.exit_status().await;
            self.output.last_words().await;
            self.events()
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let is_ending = self.process.kill();
        // It is dead or dying, so this is short; whoever ends the harness next leaves nothing half done. One that no signal
        // reaches is left to the watcher.
        if let Some(reaper) = self.reaper.take().filter(|_| is_ending) {
            let _ = reaper.join();
        }
    }
}

/// What a service that is not ready does at other ports than that which it was given: most likely nobody told it of `PORT`.
fn elsewhere(listens_at: &[SocketAddr], given: Option<u16>) -> String {
    let Some(given) = given.filter(|given| listens_at.iter().all(|address| address.port() != *given)) else {
        return String::new();
    };
    let found: Vec<String> = listens_at.iter().map(ToString::to_string).collect();
    match found.is_empty() {
        true => String::new(),
        false => format!(
            "; it listens at {} and not at the port that it is given by PORT and {{{{port}}}}, {given}",
            found.join(" and ")
        ),
    }
}

/// How a process ended, in words.
pub(super) fn how(status: ExitStatus) -> String {
    match exited(status) {
        ProcessEventKind::Exited { code: Some(code), .. } => format!("exited with code {code}"),
        ProcessEventKind::Exited { signal: Some(signal), .. } => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}
