//! A service as a child process: spawned into a group of its own, listened to, ended, reaped.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use spanwise_model::{LogRecord, ProcessEvent, ProcessEventKind, Source, Stream};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::sync::watch;

use super::output::{News, Output};
use super::watcher::{MARKER, Watcher};
use super::{Launch, listening, port};
use crate::DriveError;
use crate::clock::now;

/// How long the rest of the output is waited for once the process is gone. Only a process that left the group and
/// kept the pipe can make it matter.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A started service. Dropping it kills its whole process group and reaps it.
pub struct Service {
    process: Arc<Process>,
    /// The thread that waits for its end.
    reaper: Option<JoinHandle<()>>,
    output: Arc<Output>,
    address: Option<SocketAddr>,
}

/// A service that did not get ready.
pub(super) struct Failed {
    pub(super) error: DriveError,
    /// Whether it ended after it wrote that somebody else has its port.
    pub(super) port_was_taken: bool,
}

struct Process {
    source: Source,
    pid: Pid,
    /// Whether the process number is still ours to send signals to.
    is_ours: Mutex<bool>,
    events: Mutex<Vec<ProcessEvent>>,
    exited: watch::Sender<Option<ExitStatus>>,
    watcher: Arc<Watcher>,
}

impl Service {
    /// Spawns the process; it is not ready yet.
    pub(super) fn spawn(launch: &Launch, port: u16, watcher: Arc<Watcher>) -> Result<Service, DriveError> {
        let port = port.to_string();
        let filled = |text: &String| text.replace(Launch::PORT, &port);
        let mut command = Command::new(&launch.program);
        command.args(launch.args.iter().map(filled));
        command.env_clear().envs(super::environment::base());
        command.envs(launch.env.iter().map(|(name, value)| (name, filled(value)))).env(MARKER, watcher.run());
        if let Some(folder) = &launch.folder {
            command.current_dir(folder);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let failed =
            |source| DriveError::Spawn { program: launch.program.to_string_lossy().into_owned(), source };
        let mut child = command.spawn().map_err(failed)?;

        let pid = Pid::from_raw(child.id().cast_signed());
        watcher.watch(pid);
        let output = Output::new(launch.source.clone());
        let process = Arc::new(Process {
            source: launch.source.clone(),
            pid,
            is_ours: Mutex::new(true),
            events: Mutex::default(),
            exited: watch::Sender::default(),
            watcher,
        });
        process.happened(ProcessEventKind::Spawned);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let reaper = Some(process.clone().reap_when_it_ends(child).map_err(failed)?);
        // From here on, whatever fails drops the service, which kills it.
        let service = Service { process, reaper, output, address: None };
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
    pub(super) async fn until_ready(mut self, launch: &Launch, port: u16) -> Result<Service, Failed> {
        let mut seen = String::new();
        let mut port_was_taken = false;
        let error = tokio::select! {
            biased;
            address = launch.ready.reached(&self.output, port, &mut seen) => {
                self.address = Some(address);
                self.process.happened(ProcessEventKind::Ready);
                self.look_where_it_listens(address.port()).await;
                return Ok(self);
            }
            status = self.exited() => {
                self.last_words().await;
                port_was_taken = !self.output.lines_where(|record| port::is_taken(&record.line)).is_empty();
                DriveError::Exited { service: self.source().to_string(), how: how(status), output: self.output.tail() }
            }
            // waits on purpose: how long it may take is the caller's to say.
            () = tokio::time::sleep(launch.ready_within) => {
                DriveError::NotReady {
                    service: self.source().to_string(),
                    within: launch.ready_within,
                    waited_for: format!("{}{seen}", launch.ready),
                    output: self.output.tail(),
                }
            }
        };
        Err(Failed { error, port_was_taken })
    }

    /// Writes down the sockets of its group; the one at which it is ready is at the port that it was told.
    async fn look_where_it_listens(&self, port: u16) {
        let group = self.process.pid;
        // It reads files of the kernel, which may block.
        let found = tokio::task::spawn_blocking(move || listening::addresses(group)).await;
        for address in found.unwrap_or_default() {
            self.process.happened(ProcessEventKind::Listening { address, on_port: address.port() == port });
        }
    }

    /// Which instance it is.
    pub fn source(&self) -> &Source {
        &self.process.source
    }

    /// Where it serves.
    pub fn addr(&self) -> SocketAddr {
        // Only a service that is ready gets out of the launcher, and readiness has an address.
        self.address.unwrap_or_else(|| ([127, 0, 0, 1], 0).into())
    }

    /// The number of its process, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.process.pid.as_raw().cast_unsigned()
    }

    /// The lines that it wrote so far, in the order they were read.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.output.lines_where(|_| true)
    }

    /// The lines that it wrote so far and that are wanted.
    pub fn logs_where(&self, wanted: impl Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
        self.output.lines_where(wanted)
    }

    /// How many lines between the first 20,000 and the last 5,000 were not kept.
    pub fn dropped_lines(&self) -> u64 {
        self.output.dropped()
    }

    /// The last lines for a message, each behind a line break and an indent.
    pub fn tail(&self) -> String {
        self.output.tail()
    }

    /// What happened to it so far.
    pub fn events(&self) -> Vec<ProcessEvent> {
        self.process.events().clone()
    }

    /// Waits until the process has ended by itself or otherwise.
    pub async fn exited(&self) -> ExitStatus {
        let mut exited = self.process.exited.subscribe();
        loop {
            if let Some(status) = *exited.borrow_and_update() {
                return status;
            }
            // The sender lives as long as the process that `self` holds.
            let _ = exited.changed().await;
        }
    }

    /// Ends it: SIGTERM to the process, SIGKILL to its whole group when `grace` has passed. Returns when it is gone
    /// and its last words are read, with all that happened to it.
    pub async fn terminate(&self, grace: Duration) -> Vec<ProcessEvent> {
        if self.process.exited.borrow().is_none() {
            self.process.signal(|pid| kill(pid, Signal::SIGTERM), ProcessEventKind::Terminated);
            if tokio::time::timeout(grace, self.exited()).await.is_err() {
                self.process.signal(kill_all, ProcessEventKind::Killed);
                self.exited().await;
            }
        }
        self.last_words().await;
        self.events()
    }

    /// Waits until both streams came to their end.
    async fn last_words(&self) {
        let mut news = self.output.subscribe();
        let _ = tokio::time::timeout(LAST_WORDS, news.wait_for(|news: &News| news.ended >= 2)).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let has_ended = self.process.exited.borrow().is_some();
        let is_ending = has_ended || self.process.signal(kill_all, ProcessEventKind::Killed);
        // It is dead or dying, so this is short; whoever ends the harness next leaves nothing half done. One that no signal
        // reaches is left to the watcher.
        if let Some(reaper) = self.reaper.take().filter(|_| is_ending) {
            let _ = reaper.join();
        }
    }
}

/// Kills a process and its group, which it may have left.
fn kill_all(pid: Pid) -> nix::Result<()> {
    let group = killpg(pid, Signal::SIGKILL);
    kill(pid, Signal::SIGKILL).or(group)
}

impl Process {
    /// Waits for the end on a thread of its own: no async runtime offers to wait and to reap in two steps.
    fn reap_when_it_ends(self: Arc<Process>, child: Child) -> std::io::Result<JoinHandle<()>> {
        let wait = move || {
            let status = self.wait_and_reap(child);
            self.happened(exited(status));
            self.exited.send_replace(Some(status));
        };
        std::thread::Builder::new().name("service".to_owned()).spawn(wait)
    }

    /// The process number stays taken, and so do those of its group, until the watcher has forgotten it and nobody
    /// will send it a signal any more: only then is it reaped.
    #[cfg(target_os = "linux")]
    fn wait_and_reap(&self, mut child: Child) -> ExitStatus {
        use nix::errno::Errno;
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        while waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        let mut is_ours = self.is_ours();
        *is_ours = false;
        self.leave();
        child.wait().unwrap_or_default()
    }

    /// Elsewhere there is no waiting without reaping, so it is asked for in small steps, each of which keeps signals
    /// out.
    #[cfg(not(target_os = "linux"))]
    fn wait_and_reap(&self, mut child: Child) -> ExitStatus {
        loop {
            let mut is_ours = self.is_ours();
            if let Ok(Some(status)) = child.try_wait() {
                *is_ours = false;
                self.leave();
                return status;
            }
            drop(is_ours);
            // waits on purpose: this platform tells of an end only when it is asked.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whatever the process left in its group served nobody but it.
    fn leave(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
        self.watcher.forget(self.pid);
    }

    fn is_ours(&self) -> MutexGuard<'_, bool> {
        self.is_ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends signals while the process number is still its own; whether it got one, or has just ended by itself.
    fn signal(&self, send: impl FnOnce(Pid) -> nix::Result<()>, kind: ProcessEventKind) -> bool {
        let is_ours = self.is_ours();
        if !*is_ours {
            return true;
        }
        let is_sent = send(self.pid).is_ok();
        if is_sent {
            self.happened(kind);
        }
        is_sent
    }

    fn happened(&self, kind: ProcessEventKind) {
        let event = ProcessEvent { source: self.source.clone(), time: now(), kind };
        self.events().push(event);
    }

    fn events(&self) -> MutexGuard<'_, Vec<ProcessEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exited(status: ExitStatus) -> ProcessEventKind {
    use std::os::unix::process::ExitStatusExt as _;
    ProcessEventKind::Exited { code: status.code(), signal: status.signal() }
}

fn how(status: ExitStatus) -> String {
    match exited(status) {
        ProcessEventKind::Exited { code: Some(code), .. } => format!("exited with code {code}"),
        ProcessEventKind::Exited { signal: Some(signal), .. } => format!("was ended by signal {signal}"),
        _ => "ended".to_owned(),
    }
}
