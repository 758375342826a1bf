//! A service that runs already: somebody else started it, and nobody here ends it, reads its output or watches it.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{BoxFuture, select_all};
use spanwise_model::{Evidence, ProcessEvent, Source};

use super::Ready;
use super::output::Output;
use crate::{DriveError, Instance};

/// A service that runs already.
#[derive(Debug)]
pub struct Running {
    source: Source,
    address: SocketAddr,
}

impl Running {
    /// Waits until it is ready at an address of the form `HOST:PORT`. Where the host has several, the first that answers is its.
    ///
    /// # Errors
    /// The host is not known, or nothing there was ready in time.
    pub async fn find(
        source: Source,
        address: &str,
        ready: &Ready,
        within: Duration,
    ) -> Result<Running, DriveError> {
        let not_running = |reason: String| DriveError::NotRunning {
            service: source.to_string(),
            address: address.to_owned(),
            reason,
        };
        let found = tokio::time::timeout(within, tokio::net::lookup_host(address)).await;
        let found =
            found.map_err(|_| not_running("the name of its host was not found in time".to_owned()))?;
        let found = found.map_err(|error| not_running(error.to_string()))?;
        let silent = Output::new(source.clone(), None);
        let mut tried: Vec<(SocketAddr, String)> = found.map(|address| (address, String::new())).collect();
        if tried.is_empty() {
            return Err(not_running("the host has no address".to_owned()));
        }
        let asked = tried.iter_mut().map(|(address, seen)| Box::pin(ready.reached(&silent, *address, seen)));
        let first = tokio::time::timeout(within, select_all(asked)).await.map(|(address, ..)| address);
        first.map(|address| Running { source: source.clone(), address }).map_err(|_| {
            let seen = tried.first().map(|(_, seen)| seen.as_str()).unwrap_or_default();
            not_running(format!("for {} ms {ready}{seen}", within.as_millis()))
        })
    }
}

impl Instance for Running {
    fn source(&self) -> &Source {
        &self.source
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    fn shows(&self, evidence: Evidence) -> bool {
        !matches!(evidence, Evidence::Logs | Evidence::Process)
    }

    fn exited(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn terminate(&self, _: Duration) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
