//! Running on Cloud Run: what the platform says of this process, and the tokens that it gives.
//!
//! `settings` reads it, `telemetry` puts it into the resource. Anywhere else, where `K_SERVICE` is not set, nobody is asked and
//! nothing is sent.

mod bearer;
mod metadata;
mod token;

use std::net::IpAddr;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::resource::{
    CLOUD_ACCOUNT_ID, CLOUD_PLATFORM, CLOUD_PROVIDER, CLOUD_REGION, FAAS_INSTANCE, FAAS_NAME, FAAS_VERSION,
};
use tokio::time::timeout;

pub use bearer::{Bearer, BearerLayer};
pub use metadata::{MetadataError, MetadataServer};
pub use token::{Token, Tokens};

use crate::settings::{Environment, SettingsError};

/// How long the start may wait for the metadata server. Somebody waits for the start.
const AT_START: Duration = Duration::from_secs(3);

/// A process on Cloud Run.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudRun {
    /// `K_SERVICE`.
    pub service: String,
    /// `K_REVISION`.
    pub revision: Option<String>,
    /// Who is asked for the rest.
    pub metadata: MetadataServer,
    /// What the metadata server said; empty until it was [asked](Self::ask).
    pub instance: Instance,
}

/// What the metadata server says of an instance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Instance {
    /// `project/project-id`.
    pub project: Option<String>,
    /// The region alone, of `instance/region`.
    pub region: Option<String>,
    /// `instance/id`.
    pub id: Option<String>,
    /// Why something is missing, if it is.
    pub missing: Option<MetadataError>,
}

/// Whether access tokens may be sent to an OTLP collector at this host: to Google, or to a proxy on this machine. OTLP is spoken by
/// many who have no business with the tokens of a service account.
pub fn is_for_google(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    is_loopback || host == "googleapis.com" || host.ends_with(".googleapis.com")
}

impl CloudRun {
    /// What the environment says; `None` where this is not Cloud Run.
    ///
    /// # Errors
    /// The address of the metadata server is not understood.
    pub fn read(environment: &Environment) -> Result<Option<Self>, SettingsError> {
        let Some(service) = environment.get("K_SERVICE") else { return Ok(None) };
        Ok(Some(Self {
            service: service.to_owned(),
            revision: environment.get("K_REVISION").map(str::to_owned),
            metadata: MetadataServer::read(environment)?,
            instance: Instance::default(),
        }))
    }

    /// Asks the metadata server, three seconds at most. What it does not say stays empty.
    pub async fn ask(&mut self) {
        let ask = async |path| match timeout(AT_START, self.metadata.get(path)).await {
            Ok(answer) => answer.map(|text| text.trim().to_owned()),
            Err(_) => Err(MetadataError::TimedOut),
        };
        let (project, region, id) =
            tokio::join!(ask("project/project-id"), ask("instance/region"), ask("instance/id"));
        let missing = [&project, &region, &id].into_iter().find_map(|answer| answer.as_ref().err()).cloned();
        // The region comes as `projects/NUMBER/regions/REGION`.
        let region = region.ok().and_then(|region| region.rsplit('/').next().map(str::to_owned));
        self.instance = Instance { project: project.ok(), region, id: id.ok(), missing };
    }

    /// What it says of itself ("Google Cloud Run" of the resource conventions). The account is the project that it runs in, or,
    /// where nobody says that, the one whose traces it writes.
    pub(crate) fn attributes(&self, project: Option<&str>) -> Vec<KeyValue> {
        let found = [
            (CLOUD_PROVIDER, Some("gcp")),
            (CLOUD_PLATFORM, Some("gcp_cloud_run")),
            (CLOUD_ACCOUNT_ID, self.instance.project.as_deref().or(project)),
            (CLOUD_REGION, self.instance.region.as_deref()),
            (FAAS_NAME, Some(&*self.service)),
            (FAAS_VERSION, self.revision.as_deref()),
            (FAAS_INSTANCE, self.instance.id.as_deref()),
        ];
        let present = found.into_iter().filter_map(|(key, value)| Some((key, value?)));
        present.map(|(key, value)| KeyValue::new(key, value.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("telemetry.googleapis.com", true)]
    #[case("localhost", true)]
    #[case("127.0.0.1", true)]
    #[case("[::1]", true)]
    #[case("api.vendor.example", false)]
    #[case("googleapis.com.vendor.example", false)]
    #[case("notgoogleapis.com", false)]
    #[case("10.0.0.1", false)]
    #[case("", false)]
    fn hosts_that_get_tokens(#[case] host: &str, #[case] expected: bool) {
        assert_eq!(is_for_google(host), expected);
    }
}
