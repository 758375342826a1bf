//! The typed client of `backend-service`, with its deadline and its retries.
//!
//! `api-service` calls the backend through it. From outside in: one CLIENT span, one deadline over the whole call, the token that
//! says who calls, attempts, channel.

mod deadline;
mod retry;

use std::time::Duration;

use spanwise_demo_proto::backend_service::v1::backend_service_client::BackendServiceClient;
use tonic::transport::Channel;
use tower::ServiceBuilder;

use crate::channel::{self, ChannelError, Target};
use crate::cloud_run::{Bearer, BearerLayer, CloudRun, MetadataServer, Tokens};
use crate::instrument::{GrpcClientTrace, GrpcClientTraceLayer, Instrumentation};
use crate::settings::{Environment, SettingsError, unusable};

pub use deadline::{Deadline, DeadlineBody, DeadlineLayer};
pub use retry::{Retry, RetryLayer};

/// A client of the backend.
pub type BackendClient = BackendServiceClient<GrpcClientTrace<Deadline<Bearer<Retry<Channel>>>>>;

/// Where the backend is, and how patient its client.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendSettings {
    /// `BACKEND_SERVICE_URL`: `https://` or port 443 means a secure channel.
    pub target: Target,
    /// `BACKEND_DEADLINE_MS`: for the whole call, all attempts and a streamed answer included. 5 seconds if absent.
    pub deadline: Duration,
    /// `BACKEND_MAX_ATTEMPTS`: how often an unavailable backend is tried. 3 if absent.
    pub max_attempts: u32,
    /// `BACKEND_BACKOFF_MS`: the wait before the second attempt; it doubles before each further one. 50 ms if absent.
    pub backoff: Duration,
    /// On Cloud Run: who gives the ID tokens that a private backend asks for.
    pub metadata: Option<MetadataServer>,
}

impl BackendSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// A value is not understood, or there is no usable URL.
    pub fn read(environment: &Environment) -> Result<Self, SettingsError> {
        const URL: &str = "BACKEND_SERVICE_URL";
        const EXPECTED: &str = "the http or https url of backend-service";
        let url = environment.get(URL).unwrap_or_default();
        let milliseconds =
            |name, default| environment.parsed(name, default, "milliseconds").map(Duration::from_millis);
        Ok(Self {
            target: url.parse().map_err(|_| unusable(URL, url, EXPECTED))?,
            deadline: milliseconds("BACKEND_DEADLINE_MS", 5_000)?,
            max_attempts: environment.parsed("BACKEND_MAX_ATTEMPTS", 3, "a number of attempts")?,
            backoff: milliseconds("BACKEND_BACKOFF_MS", 50)?,
            metadata: CloudRun::read(environment)?.map(|cloud_run| cloud_run.metadata),
        })
    }

    /// The ID tokens for calls to the backend: on Cloud Run, and over a secure channel alone.
    pub fn id_tokens(&self) -> Option<Tokens> {
        let server = self.metadata.clone().filter(|_| self.target.is_secure())?;
        Some(Tokens::for_service(server, self.target.audience()))
    }
}

/// A client that connects when it is first used. Must be called inside a tokio runtime.
///
/// # Errors
/// The backend's URL is secure and no certificate authority is trusted.
pub fn client(
    settings: &BackendSettings,
    instrumentation: &Instrumentation,
) -> Result<BackendClient, ChannelError> {
    let channel = channel::lazy(&settings.target)?;
    let service = ServiceBuilder::new()
        .layer(GrpcClientTraceLayer::new(instrumentation.clone(), settings.target.clone()))
        .layer(DeadlineLayer::new(settings.deadline))
        .layer(BearerLayer::new(settings.id_tokens()))
        .layer(RetryLayer::new(settings.max_attempts, settings.backoff))
        .service(channel);
    Ok(BackendServiceClient::new(service))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const URL: (&str, &str) = ("BACKEND_SERVICE_URL", "https://backend.example");

    #[test]
    fn defaults() {
        let expected = BackendSettings {
            target: URL.1.parse().unwrap(),
            deadline: Duration::from_secs(5),
            max_attempts: 3,
            backoff: Duration::from_millis(50),
            metadata: None,
        };
        assert_eq!(BackendSettings::read(&Environment::of([URL])), Ok(expected));
    }

    #[test]
    fn all_set() {
        let environment = Environment::of([
            URL,
            ("BACKEND_DEADLINE_MS", "300"),
            ("BACKEND_MAX_ATTEMPTS", "1"),
            ("BACKEND_BACKOFF_MS", "2"),
        ]);
        let expected = BackendSettings {
            target: URL.1.parse().unwrap(),
            deadline: Duration::from_millis(300),
            max_attempts: 1,
            backoff: Duration::from_millis(2),
            metadata: None,
        };
        assert_eq!(BackendSettings::read(&environment), Ok(expected));
    }

    #[rstest]
    #[case("https://backend.example", "api", true)]
    #[case("https://backend.example", "", false)]
    #[case("http://backend.example", "api", false)]
    fn tokens(#[case] url: &str, #[case] service: &str, #[case] expected: bool) {
        let environment = Environment::of([("BACKEND_SERVICE_URL", url), ("K_SERVICE", service)]);
        assert_eq!(BackendSettings::read(&environment).unwrap().id_tokens().is_some(), expected);
    }

    #[rstest]
    #[case("BACKEND_SERVICE_URL", "")]
    #[case("BACKEND_SERVICE_URL", "unix:///socket")]
    #[case("BACKEND_SERVICE_URL", "two words")]
    #[case("BACKEND_DEADLINE_MS", "5s")]
    #[case("BACKEND_MAX_ATTEMPTS", "-1")]
    #[case("BACKEND_BACKOFF_MS", "0.5")]
    fn refused(#[case] variable: &str, #[case] value: &str) {
        let error = BackendSettings::read(&Environment::of([URL, (variable, value)])).unwrap_err();
        assert_eq!((error.variable.as_str(), error.value.as_str()), (variable, value));
    }
}
