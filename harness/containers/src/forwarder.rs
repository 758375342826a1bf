//! The forwarder's container: the network in which a service's container runs, and the way into it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use spanwise_model::{Source, Stream};
use testcontainers::GenericBuildableImage;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use testcontainers::core::BuildImageOptions;
use testcontainers::runners::AsyncBuilder as _;
use tokio::io::AsyncReadExt as _;

use crate::error::reason;
use crate::held::Held;
use crate::tunnel::Tunnel;
use crate::{ContainerError, Engine, LABEL, Name};

/// The program, linked statically: its image holds nothing else.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forwarder"));
/// Where it takes connections of the harness: a port that few programs want, and no connection of a service is given.
const CONTROL: u16 = 61_999;

/// How much is read of what one says that does not work, and how long that may take.
const SAID_BYTES: u64 = 4096;
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// A running forwarder. Its container goes when this is dropped; the one that shares its network must be gone by then.
pub(crate) struct Forwarder {
    container: Held,
    pub(crate) tunnel: Tunnel,
}

impl Forwarder {
    /// Starts a forwarder for a service: what listens at the ports of 127.0.0.1 out here does so in there, too, and the names lead
    /// where they are said to.
    pub(crate) async fn start(
        engine: &Engine,
        service: &Source,
        loopback: &BTreeSet<u16>,
        names: &[Name],
    ) -> Result<Forwarder, ContainerError> {
        let failed = |reason| ContainerError::Forwarder { service: service.clone(), reason };
        let (image, tag) = engine.forwarder().await.map_err(failed)?;
        let key = key().map_err(failed)?;
        let (hosts, listening) = places(loopback, names);
        let command = [CONTROL.to_string(), key.clone()].into_iter();
        let command = command.chain(listening.iter().map(|(address, target)| format!("{address}={target}")));
        let config = ContainerCreateBody {
            image: Some(format!("{image}:{tag}")),
            cmd: Some(command.collect()),
            exposed_ports: Some(vec![published()]),
            host_config: Some(HostConfig {
                network_mode: Some(engine.network().to_owned()),
                extra_hosts: Some(hosts.iter().map(|(name, at)| format!("{name}:{at}")).collect()),
                // On loopback alone: what it leads to is nobody else's.
                port_bindings: Some(HashMap::from([(published(), Some(vec![on_loopback()]))])),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let name = engine.container_name(&format!("{}-network", service.service));
        let container = Held::start(engine, &name, config, &[]).await.map_err(failed)?;
        let control =
            SocketAddr::from((Ipv4Addr::LOCALHOST, container.published(CONTROL).await.map_err(failed)?));
        let targets = listening.into_iter().map(|(_, target)| target).collect();
        match Tunnel::open(control, &key, targets).await {
            Ok(tunnel) => Ok(Forwarder { container, tunnel }),
            Err(error) => {
                let mut said = String::new();
                let mut output = container.output(Stream::Stderr).take(SAID_BYTES);
                let _ = tokio::time::timeout(SAID_WITHIN, output.read_to_string(&mut said)).await;
                Err(failed(format!(
                    "{control}, where the engine publishes it, does not answer: {error} {said}"
                )))
            }
        }
    }

    /// Removes it, and returns when it is gone.
    pub(crate) async fn remove(&self) {
        self.container.remove().await;
    }

    /// The network that another container can share.
    pub(crate) fn network(&self) -> String {
        format!("container:{}", self.container.id())
    }
}

/// The control port, as the engine writes it.
fn published() -> String {
    format!("{CONTROL}/tcp")
}

fn on_loopback() -> PortBinding {
    PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: None }
}

/// Where each name leads in the network, and what is to listen where: every name has an address of its own on loopback, because
/// several may have one port.
fn places(loopback: &BTreeSet<u16>, names: &[Name]) -> (BTreeMap<String, IpAddr>, Vec<(SocketAddr, u16)>) {
    let mut hosts = BTreeMap::new();
    let mut listening: Vec<(SocketAddr, u16)> =
        loopback.iter().map(|port| ((Ipv4Addr::LOCALHOST, *port).into(), *port)).collect();
    for (number, name) in (2..).zip(names) {
        let at = IpAddr::from(Ipv4Addr::new(127, 0, 0, number));
        hosts.insert(name.host.clone(), at);
        listening.push((SocketAddr::new(at, name.port), name.leads_to));
    }
    (hosts, listening)
}

/// The image, under a name that says which program is in it. It is kept: making it takes longer than starting it.
pub(crate) async fn image(folder: &Path) -> Result<(String, String), String> {
    let digest = Sha256::digest(PROGRAM);
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let program = folder.join("forwarder");
    let written =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(&program);
    let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, PROGRAM));
    written.map_err(|error| format!("{}: {error}", program.display()))?;
    let dockerfile =
        format!("FROM scratch\nLABEL {LABEL}=\nCOPY forwarder /forwarder\nENTRYPOINT [\"/forwarder\"]\n");
    let name = "spanwise/forwarder";
    let image = GenericBuildableImage::new(name, &tag)
        .with_dockerfile_string(dockerfile)
        .with_file(program, "./forwarder");
    let built = image.build_image_with(BuildImageOptions::new().with_skip_if_exists(true)).await;
    built.map(|_| (name.to_owned(), tag)).map_err(|error| reason(&error))
}

/// What the harness shows that it is the harness: everything on this machine can connect to the control port.
fn key() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stay_and_names_have_addresses_of_their_own() {
        let name = |host: &str, port, leads_to| Name { host: host.to_owned(), port, leads_to };
        let names = [name("trace.example", 443, 1001), name("token.example", 443, 1002)];
        let (hosts, listening) = places(&BTreeSet::from([4317]), &names);
        let hosts: Vec<String> = hosts.iter().map(|(name, at)| format!("{name} {at}")).collect();
        assert_eq!(hosts, ["token.example 127.0.0.3", "trace.example 127.0.0.2"]);
        let listening: Vec<String> = listening.iter().map(|(at, to)| format!("{at}={to}")).collect();
        assert_eq!(listening, ["127.0.0.1:4317=4317", "127.0.0.2:443=1001", "127.0.0.3:443=1002"]);
    }
}
