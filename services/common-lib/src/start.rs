//! What starting and stopping means for every service: runtime, listener, ready line, signals, exit code.
//!
//! The `run` functions of the services call these in order; nothing here knows what is served.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::channel::ChannelError;
use crate::logging;
use crate::settings::SettingsError;
use crate::telemetry::TelemetryError;

/// How long requests in flight may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Why a service did not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment cannot be used.
    #[error("unusable setting")]
    Settings(#[from] SettingsError),
    /// The exporter cannot be set up.
    #[error("tracing cannot be set up")]
    Telemetry(#[from] TelemetryError),
    /// Another service's URL cannot be used.
    #[error("a service url cannot be used")]
    Channel(#[from] ChannelError),
    /// The port, the signals or the server failed.
    #[error("cannot serve")]
    Serve(#[from] std::io::Error),
}

/// A runtime for a service.
///
/// # Errors
/// The operating system gives no threads.
pub fn runtime() -> Result<Runtime, StartError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// Listens on all interfaces, as Cloud Run demands, at this port or (0) at a free one.
///
/// # Errors
/// The port is taken or not allowed.
pub async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
}

/// Says on stdout that connections are accepted, and where. The address is the one by which this machine reaches the
/// service: `127.0.0.1` and the port.
///
/// # Errors
/// The listener has no address.
pub fn announce(listener: &TcpListener) -> std::io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr()?.port()));
    tracing::info!(%address, "listening");
    Ok(())
}

/// Waits for SIGTERM or SIGINT. The handlers stand when this returns, not only when the future is polled: a signal
/// right after the ready line is not missed.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Clone + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    .shared())
}

/// Runs a server until it has stopped, or until requests in flight have had five seconds after `stop`. What they
/// left so far can then still be flushed within the ten seconds that Cloud Run grants.
///
/// # Errors
/// The server's own.
pub async fn within_grace(
    stop: impl Future<Output = ()>,
    serve: impl Future<Output = std::io::Result<()>>,
) -> std::io::Result<()> {
    let grace = async {
        stop.await;
        // waits on purpose: the grace period itself
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serve => result,
        () = grace => {
            tracing::warn!("requests were still in flight when the grace period ended");
            Ok(())
        }
    }
}

/// 0 after a clean stop; 2 for an environment that cannot be used, 1 for what else failed, with the reason in a line on
/// stderr. It is a log line like all others, but needs no logging to have been started, and no level hides it.
pub fn exit_code(service: &str, result: Result<(), StartError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    let mut message = format!("{service}: {error}");
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message += &format!(": {cause}");
        source = cause.source();
    }
    eprintln!("{}", logging::last_line(&message));
    ExitCode::from(if matches!(error, StartError::Serve(_)) { 1 } else { 2 })
}
