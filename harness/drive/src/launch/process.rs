//! The process of a service: the signals that it is sent, what happened to it and when, and that it is reaped. A [`Service`]
//! holds it, and so does the thread that waits for its end.
//!
//! [`Service`]: super::Service

use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
#[cfg(not(target_os = "linux"))]
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use spanwise_model::{ProcessEvent, ProcessEventKind, Source};
use tokio::sync::watch;

use super::history::History;
use super::watcher::Watcher;

/// A process with a group of its own.
pub(super) struct Process {
    source: Source,
    pid: Pid,
    /// Locked while a signal is sent and written down, so that signals and what is known of them have one order.
    stage: Mutex<Stage>,
    history: History,
    exited: watch::Sender<Option<ExitStatus>>,
    watcher: Arc<Watcher>,
}

/// What was last done to it. It goes down this list, but for the first two, between which it goes back and forth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    /// It has no processor.
    Frozen,
    /// It was sent SIGTERM, and has the processor until it is gone.
    Ending,
    /// It was sent SIGKILL.
    Killed,
    /// It ended, and its number is no longer ours to send signals to.
    Gone,
}

impl Process {
    /// A process that was just spawned. The watcher hears of its group.
    pub(super) fn watched(source: Source, child: &Child, watcher: Arc<Watcher>) -> Arc<Process> {
        let pid = Pid::from_raw(child.id().cast_signed());
        watcher.watch(pid);
        let process = Process {
            history: History::new(source.clone()),
            source,
            pid,
            stage: Mutex::new(Stage::Running),
            exited: watch::Sender::default(),
            watcher,
        };
        process.happened(ProcessEventKind::Spawned);
        Arc::new(process)
    }

    /// Which instance it is.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Its number, which is also its group's.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// What happened so far; every time stamp is later than the one before it.
    pub(super) fn events(&self) -> Vec<ProcessEvent> {
        self.history.events()
    }

    /// Waits for its end.
    pub(super) async fn exited(&self) -> ExitStatus {
        let mut exited = self.exited.subscribe();
        loop {
            if let Some(status) = *exited.borrow_and_update() {
                return status;
            }
            // The sender lives as long as `self`.
            let _ = exited.changed().await;
        }
    }

    /// SIGSTOP to a group that runs.
    pub(super) fn freeze(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Running && signal_all(self.pid, Signal::SIGSTOP).is_ok() {
            self.happened(ProcessEventKind::Frozen);
            *stage = Stage::Frozen;
        }
    }

    /// SIGCONT to a group that is frozen.
    pub(super) fn thaw(&self) {
        self.thaw_at(&mut self.stage());
    }

    fn thaw_at(&self, stage: &mut Stage) {
        let before = History::now();
        if *stage == Stage::Frozen && signal_all(self.pid, Signal::SIGCONT).is_ok() {
            self.history.happened_at(before, ProcessEventKind::Thawed);
            *stage = Stage::Running;
        }
    }

    /// SIGTERM to the process, once, behind SIGCONT where it is frozen: a stopped process could not handle it.
    pub(super) fn terminate(&self) {
        let mut stage = self.stage();
        self.thaw_at(&mut stage);
        if *stage == Stage::Running && kill(self.pid, Signal::SIGTERM).is_ok() {
            self.happened(ProcessEventKind::Terminated);
            *stage = Stage::Ending;
        }
    }

    /// SIGKILL to the group, once; it reaches stopped processes, too. Whether it is dead or dying.
    pub(super) fn kill(&self) -> bool {
        let mut stage = self.stage();
        if matches!(*stage, Stage::Killed | Stage::Gone) {
            return true;
        }
        let is_sent = signal_all(self.pid, Signal::SIGKILL).is_ok();
        if is_sent {
            self.happened(ProcessEventKind::Killed);
            *stage = Stage::Killed;
        }
        is_sent
    }

    /// Waits for the end on a thread of its own: no async runtime offers to wait and to reap in two steps.
    pub(super) fn reap_when_it_ends(self: Arc<Process>, child: Child) -> std::io::Result<JoinHandle<()>> {
        let wait = move || {
            let status = self.wait_and_reap(child);
            self.happened(exited(status));
            self.exited.send_replace(Some(status));
        };
        std::thread::Builder::new().name("service".to_owned()).spawn(wait)
    }

    /// The process number stays taken, and so do those of its group, until the watcher has forgotten it and nobody
    /// will send it a signal any more: only then is it reaped. Being stopped is no end (no `WSTOPPED`).
    #[cfg(target_os = "linux")]
    fn wait_and_reap(&self, mut child: Child) -> ExitStatus {
        use nix::errno::Errno;
        use nix::sys::wait::{Id, WaitPidFlag, waitid};
        while waitid(Id::Pid(self.pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        let mut stage = self.stage();
        *stage = Stage::Gone;
        self.leave();
        child.wait().unwrap_or_default()
    }

    /// Elsewhere there is no waiting without reaping, so it is asked for in small steps, each of which keeps signals
    /// out. Being stopped is no end (no `WUNTRACED`).
    #[cfg(not(target_os = "linux"))]
    fn wait_and_reap(&self, mut child: Child) -> ExitStatus {
        loop {
            let mut stage = self.stage();
            if let Ok(Some(status)) = child.try_wait() {
                *stage = Stage::Gone;
                self.leave();
                return status;
            }
            drop(stage);
            // waits on purpose: this platform tells of an end only when it is asked.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whatever the process left in its group served nobody but it.
    fn leave(&self) {
        let _ = killpg(self.pid, Signal::SIGKILL);
        self.watcher.forget(self.pid);
    }

    pub(super) fn happened(&self, kind: ProcessEventKind) {
        self.history.happened(kind);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How it ended.
pub(super) fn exited(status: ExitStatus) -> ProcessEventKind {
    use std::os::unix::process::ExitStatusExt as _;
    ProcessEventKind::Exited { code: status.code(), signal: status.signal() }
}

/// A signal to a process and its group, which it may have left.
fn signal_all(pid: Pid, signal: Signal) -> nix::Result<()> {
    let group = killpg(pid, signal);
    kill(pid, signal).or(group)
}
