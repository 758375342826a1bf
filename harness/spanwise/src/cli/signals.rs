//! Ctrl-C and SIGTERM: the first ends what runs in order, the second ends the program at once. Whatever it started then is
//! killed by the watcher of the run.

use std::io::IsTerminal;

use tokio::sync::watch;

use super::{Exit, unusable};

/// What was said by signals so far.
pub(super) struct Signals(watch::Receiver<bool>);

impl Signals {
    /// Listens from now on; the handlers stand when this returns. Called inside of a runtime. `on_first` is told once.
    pub(super) fn listen(on_first: fn()) -> Result<Signals, Exit> {
        let mut handlers = Handlers::new()?;
        let (said, heard) = watch::channel(false);
        tokio::spawn(async move {
            handlers.next().await;
            on_first();
            said.send_replace(true);
            std::process::exit(handlers.next().await);
        });
        Ok(Signals(heard))
    }

    /// Whether one has come.
    pub(super) fn is_stopped(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when one has come, at once if it has.
    pub(super) fn stopped(&self) -> impl Future<Output = ()> + use<> {
        let mut heard = self.0.clone();
        async move {
            let _ = heard.wait_for(|stopped| *stopped).await;
        }
    }
}

/// Says what happens now, and what the next signal would do.
pub(super) fn tell() {
    // The bar stands in a line without an end.
    let line = if std::io::stderr().is_terminal() { "\n" } else { "" };
    eprintln!("{line}spanwise: ending the services; once more kills them");
}

/// Says nothing.
pub(super) fn silent() {}

/// Who hears of signals; while it stands, they end nothing by themselves.
#[cfg(unix)]
struct Handlers {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Handlers {
    fn new() -> Result<Handlers, Exit> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error| unusable(format!("signals cannot be waited for: {error}"));
        let terminate = signal(SignalKind::terminate()).map_err(failed)?;
        Ok(Handlers { terminate, interrupt: signal(SignalKind::interrupt()).map_err(failed)? })
    }

    /// Waits for the next signal; gives the exit code that shells expect of a program that it ended.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 128 + 15,
            _ = self.interrupt.recv() => 128 + 2,
        }
    }
}

#[cfg(not(unix))]
struct Handlers;

#[cfg(not(unix))]
impl Handlers {
    fn new() -> Result<Handlers, Exit> {
        Ok(Handlers)
    }

    async fn next(&mut self) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        128 + 2
    }
}
