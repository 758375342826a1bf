//! The typed client of `backend-service`, with its deadline and its retries.
//!
//! `api-service` calls the backend through it. From outside in: one CLIENT span, one deadline over the whole call, attempts,
//! channel.

mod deadline;
mod retry;

use std::time::Duration;

use spanwise_demo_proto::backend_service::v1::backend_service_client::BackendServiceClient;
use tonic::transport::Channel;
use tower::ServiceBuilder;

use crate::channel::{self, ChannelError};
use crate::instrument::{GrpcClientTrace, GrpcClientTraceLayer, Instrumentation};
use crate::settings::{Environment, SettingsError, unusable};

pub use deadline::{Deadline, DeadlineBody, DeadlineLayer};
pub use retry::{Retry, RetryLayer};

/// A client of the backend.
pub type BackendClient = BackendServiceClient<GrpcClientTrace<Deadline<Retry<Channel>>>>;

/// Where the backend is, and how patient its client.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendSettings {
    /// `BACKEND_SERVICE_URL`: `https://` or port 443 means a secure channel.
    pub url: String,
    /// `BACKEND_DEADLINE_MS`: for the whole call, all attempts and a streamed answer included. 5 seconds if absent.
    pub deadline: Duration,
    /// `BACKEND_MAX_ATTEMPTS`: how often an unavailable backend is tried. 3 if absent.
    pub max_attempts: u32,
    /// `BACKEND_BACKOFF_MS`: the wait before the second attempt; it doubles before each further one. 50 ms if absent.
    pub backoff: Duration,
}

impl BackendSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A value is not understood, or there is no URL.
    pub fn read(environment: &Environment) -> Result<Self, SettingsError> {
        const URL: &str = "BACKEND_SERVICE_URL";
        let url = environment.get(URL).ok_or_else(|| unusable(URL, "", "the url of backend-service"))?;
        let milliseconds =
            |name, default| environment.parsed(name, default, "milliseconds").map(Duration::from_millis);
        Ok(Self {
            url: url.to_owned(),
            deadline: milliseconds("BACKEND_DEADLINE_MS", 5_000)?,
            max_attempts: environment.parsed("BACKEND_MAX_ATTEMPTS", 3, "a number of attempts")?,
            backoff: milliseconds("BACKEND_BACKOFF_MS", 50)?,
        })
    }
}

/// A client that connects when it is first used. Must be called inside a tokio runtime.
///
/// # Errors
/// The URL cannot be used.
pub fn client(
    settings: &BackendSettings,
    instrumentation: &Instrumentation,
) -> Result<BackendClient, ChannelError> {
    let (channel, address) = channel::lazy(&settings.url, None)?;
    let service = ServiceBuilder::new()
        .layer(GrpcClientTraceLayer::new(instrumentation.clone(), address))
        .layer(DeadlineLayer::new(settings.deadline))
        .layer(RetryLayer::new(settings.max_attempts, settings.backoff))
        .service(channel);
    Ok(BackendServiceClient::new(service))
}
