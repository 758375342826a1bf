//! What stands for Google around an instance: a listener behind TLS and a metadata server. In a container they have Google's own
//! names, so that an image that was made for production exports there and asks for its tokens there without being told anything.

use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_cloud_run::MetadataServer;
use spanwise_collect::Listener;
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::Source;
use spanwise_scenario::ServiceStart;

use super::deployment::instance_on_plain;
use super::fleet::{Fleet, chain};

/// Where spans are written: Cloud Trace, and the Telemetry API for OTLP.
const SPANS: [&str; 2] = ["cloudtrace.googleapis.com", "telemetry.googleapis.com"];
/// Where tokens are granted to those who have a key in a file, and where the public keys of the run are.
const TOKENS: [&str; 2] = ["oauth2.googleapis.com", "www.googleapis.com"];
/// The metadata server, the only one without TLS.
const METADATA: &str = "metadata.google.internal";

const HTTPS: u16 = 443;
const HTTP: u16 = 80;

/// The names for which the run's certificate is good.
pub(super) fn secure_names() -> Vec<&'static str> {
    SPANS.into_iter().chain(TOKENS).collect()
}

/// Ports of 127.0.0.1 that stand for Google to one instance.
#[cfg_attr(not(feature = "containers"), allow(dead_code, reason = "only containers are told"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Google {
    /// Its own listener, behind TLS.
    pub(super) spans: u16,
    /// Its own metadata server, behind TLS: it grants tokens, too.
    pub(super) tokens: u16,
    /// The same without TLS.
    pub(super) metadata: u16,
    /// Where the service itself listens in its container, at every address: nothing else can listen at that port.
    pub(super) service: u16,
}

#[cfg_attr(not(feature = "containers"), allow(dead_code, reason = "only containers are told"))]
impl Google {
    /// Every name with the port at which it is called and the port that this leads to.
    pub(super) fn names(self) -> impl Iterator<Item = (&'static str, u16, u16)> {
        let spans = SPANS.into_iter().map(move |name| (name, HTTPS, self.spans));
        let tokens = TOKENS.into_iter().map(move |name| (name, HTTPS, self.tokens));
        spans
            .chain(tokens)
            .chain([(METADATA, HTTP, self.metadata)].into_iter().filter(move |_| self.has_metadata_name()))
    }

    /// Where the service finds the metadata server: under its name, or at the port that it has outside, where the service itself
    /// listens at the one that the name has in the world.
    pub(super) fn metadata_host(self) -> String {
        match self.has_metadata_name() {
            true => METADATA.to_owned(),
            false => format!("127.0.0.1:{}", self.metadata),
        }
    }

    fn has_metadata_name(self) -> bool {
        self.service != HTTP
    }
}

impl Fleet {
    /// The metadata server of an instance that asks for one: on Cloud Run, and in a container everywhere.
    pub(super) async fn metadata(
        &self,
        start: &ServiceStart,
        number: u32,
    ) -> Result<Option<MetadataServer>, String> {
        let instance = match self.deployment() {
            Some(deployment) => deployment.instance(start, number),
            None if start.start.launch.is_container() => {
                instance_on_plain(start, number, self.setting().project.as_deref())
            }
            None => return Ok(None),
        };
        let server = MetadataServer::start(self.world().identity().await?, instance).await;
        server.map(Some).map_err(|error| chain(&error))
    }

    /// What stands for Google to an instance that has these and listens at this port.
    pub(super) async fn google(
        &self,
        listener: &Listener,
        metadata: &MetadataServer,
        service: u16,
    ) -> Result<Google, String> {
        Ok(Google {
            service,
            spans: self.behind_tls(listener.address()).await?.port(),
            tokens: self.behind_tls(metadata.address()).await?.port(),
            metadata: metadata.address().port(),
        })
    }

    /// An address behind TLS, as Google's endpoints are: exporters send their tokens to no other.
    pub(super) async fn behind_tls(&self, address: SocketAddr) -> Result<SocketAddr, String> {
        let collector = Source::new("collector", 1);
        // What is exported is read where it arrives, so nobody looks at this log.
        let mut options = FrontOptions::new(None, collector, Arc::new(TapLog::new()));
        options.tls = Some(self.world().authority.server_tls());
        options.upstream = Some(address);
        let front = Front::start(options).await.map_err(|error| chain(&error))?;
        let address = front.addr();
        self.held().tls.push(front);
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_with_tls_is_in_the_certificate_and_leads_where_it_does_in_the_world() {
        let google = Google { spans: 1, tokens: 2, metadata: 3, service: 8080 };
        assert_eq!(google.metadata_host(), "metadata.google.internal");
        let secure: Vec<&str> =
            google.names().filter(|(_, port, _)| *port == 443).map(|(name, ..)| name).collect();
        assert_eq!(secure, secure_names());
        let leads = |name: &str| google.names().find(|one| one.0 == name).map(|(_, port, to)| (port, to));
        assert_eq!(leads("cloudtrace.googleapis.com"), Some((443, 1)));
        assert_eq!(leads("telemetry.googleapis.com"), Some((443, 1)));
        assert_eq!(leads("oauth2.googleapis.com"), Some((443, 2)));
        assert_eq!(leads("metadata.google.internal"), Some((80, 3)));
    }

    #[test]
    fn a_service_at_the_port_of_the_metadata_server_has_it_alone() {
        let google = Google { spans: 1, tokens: 2, metadata: 3, service: 80 };
        assert!(google.names().all(|(_, port, _)| port == 443));
        assert_eq!(google.metadata_host(), "127.0.0.1:3");
    }
}
