//! A service that is a task of this process, as tests describe them: the environment that it gets, and the instance that the run
//! loop holds of it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use spanwise_drive::Instance;
use spanwise_model::{Evidence, ProcessEvent, Source};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What becomes of a service's environment; gives back why it failed, if it did.
pub(crate) type Program = Arc<dyn Fn(Environment) -> BoxFuture<'static, Option<String>> + Send + Sync>;

/// The services of a run that are tasks, by name.
pub(crate) type Programs = HashMap<String, Program>;

/// What a service that is a task gets in place of a process's environment. Its fields are for taking apart.
#[derive(Debug)]
#[non_exhaustive]
pub struct Environment {
    /// The variables that a process would find, and no more: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_PROPAGATORS`, what
    /// [`crate::Service::env`] says. An SDK that reads the environment by itself reads that of the whole process, so what it must know is
    /// to be told it from here.
    pub variables: BTreeMap<String, String>,
    /// The listener at the port that `PORT` says. The proxies before the service lead here, TLS taken off.
    pub listener: TcpListener,
    /// For services that have something to do before they end, such as flushing spans.
    pub stop: Stop,
}

/// Tells a service that is a task to end, as SIGTERM tells a process.
#[derive(Debug)]
pub struct Stop {
    asked: watch::Receiver<bool>,
    /// Whether the service waits for it: who does not is ended at once.
    is_heeded: Arc<AtomicBool>,
}

impl Stop {
    /// Resolves when the service shall end. It then has the time of [`crate::Harness::grace`] to return.
    pub async fn requested(mut self) {
        self.is_heeded.store(true, Ordering::Relaxed);
        // The other end is gone only when the run is, which ends the task anyway.
        let _ = self.asked.wait_for(|asked| *asked).await;
    }
}

/// A service that is a task. Dropping it ends the task.
pub(super) struct InProcess {
    source: Source,
    address: SocketAddr,
    task: AbortHandle,
    stop: watch::Sender<bool>,
    is_heeded: Arc<AtomicBool>,
    /// How it ended, once it has: why it failed, or nothing.
    ended: watch::Receiver<Option<Option<String>>>,
}

impl InProcess {
    /// Starts the task. It is ready at once, because its listener is.
    pub(super) fn start(
        source: Source,
        program: &Program,
        variables: BTreeMap<String, String>,
        listener: TcpListener,
    ) -> std::io::Result<InProcess> {
        let address = listener.local_addr()?;
        let (stop, asked) = watch::channel(false);
        let is_heeded = Arc::<AtomicBool>::default();
        let stopping = Stop { asked, is_heeded: is_heeded.clone() };
        let task = tokio::spawn(program(Environment { variables, listener, stop: stopping }));
        let abort = task.abort_handle();
        let (tell, ended) = watch::channel(None);
        tokio::spawn(async move {
            let failure = match task.await {
                Ok(failure) => failure,
                Err(error) if error.is_cancelled() => None,
                Err(error) => Some(super::drive::panicked(error)),
            };
            tell.send_replace(Some(failure));
        });
        Ok(InProcess { source, address, task: abort, stop, is_heeded, ended })
    }

    async fn gone(&self) {
        let _ = self.ended.clone().wait_for(Option::is_some).await;
    }
}

impl Instance for InProcess {
    fn source(&self) -> &Source {
        &self.source
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    fn shows(&self, evidence: Evidence) -> bool {
        !matches!(evidence, Evidence::Logs | Evidence::Process)
    }

    fn tail(&self) -> String {
        let ended = self.ended.borrow();
        let failure = ended.as_ref().and_then(Option::as_ref);
        failure.map(|failure| format!("\n  {failure}")).unwrap_or_default()
    }

    fn exited(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.gone())
    }

    fn terminate(&self, grace: Duration) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            self.stop.send_replace(true);
            if !self.is_heeded.load(Ordering::Relaxed)
                || tokio::time::timeout(grace, self.gone()).await.is_err()
            {
                self.task.abort();
                self.gone().await;
            }
            Vec::new()
        })
    }

    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            self.task.abort();
            self.gone().await;
            Vec::new()
        })
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.task.abort();
    }
}
