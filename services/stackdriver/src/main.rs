//! The demo's two services once more, as small as can be, on the exporter `opentelemetry-stackdriver`: the last release of a crate that
//! many services in production still have. Its endpoint, Google's, is built in, and so is where it gets its tokens, so this is
//! what only a container shows: nothing here knows of a test.
//!
//! The first argument is the role: `api`, which answers `POST /greet` by calling the other, or `backend`. `PORT` is where it
//! listens, `BACKEND_SERVICE_URL` where the other is.

mod service;
mod telemetry;

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use service::Role;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let role = match std::env::args().nth(1).as_deref() {
        Some("api") => Role::Api { backend: std::env::var("BACKEND_SERVICE_URL")? },
        Some("backend") => Role::Backend,
        other => return Err(format!("{other:?} is no role: api or backend").into()),
    };
    let provider = telemetry::provider(role.name()).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let port: u16 = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned()).parse()?;
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    let stopped = async move { terminate.recv().await.unwrap_or_default() };
    axum::serve(listener, service::router(role, &provider)).with_graceful_shutdown(stopped).await?;
    // It returns Ok when the batch has been handed to the exporter's own task, which has not sent it yet.
    tokio::task::spawn_blocking(move || provider.shutdown()).await??;
    Ok(())
}
