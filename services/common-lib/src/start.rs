//! What starting and stopping means for every service: runtime, listener, ready line, signals, exit code, and how long stopping
//! may take.
//!
//! The `run` functions of the services call these in order; nothing here knows what is served.

use std::io::{Error, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::Level;

use crate::channel::ChannelError;
use crate::logging;
use crate::settings::SettingsError;
use crate::telemetry::TelemetryError;

// Cloud Run kills a service ten seconds after SIGTERM. The three parts of stopping come one after the other and leave half a
// second to spare.

/// How long requests in flight may take after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
/// How long requests that were cut off may take to be dropped.
pub(crate) const UNWIND: Duration = Duration::from_millis(500);
/// How long the spans that are left may take to get out.
pub(crate) const FLUSH: Duration = Duration::from_secs(4);

/// Why a service did not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment cannot be used.
    #[error("unusable setting")]
    Settings(#[from] SettingsError),
    /// The exporter cannot be set up.
    #[error("tracing cannot be set up")]
    Telemetry(#[from] TelemetryError),
    /// No secure channel to another service can be set up.
    #[error("another service cannot be called")]
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
    let named = |error: Error| Error::new(error.kind(), format!("cannot listen at PORT={port}: {error}"));
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(named)
}

/// Says on stdout that connections are accepted, and where. The address is the one by which this machine reaches the
/// service: `127.0.0.1` and the port. It looks like a log line, but no level hides it: without it nobody could find a service
/// at a free port.
///
/// # Errors
/// The listener has no address.
pub fn announce(listener: &TcpListener) -> std::io::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.local_addr()?.port()));
    let mut line = logging::line(Level::INFO, "listening");
    line.insert("address".to_owned(), address.to_string().into());
    // A reader that went away must not end the service.
    let _ = writeln!(std::io::stdout(), "{}", Value::from(line));
    Ok(())
}

/// Waits for SIGTERM or SIGINT. The handlers stand when this returns, not only when the future is polled: a signal
/// right after the ready line is not missed.
///
/// # Errors
/// The handlers cannot be installed.
pub fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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
    eprintln!("{}", Value::from(logging::line(Level::ERROR, &message)));
    ExitCode::from(if matches!(error, StartError::Serve(_)) { 1 } else { 2 })
}
