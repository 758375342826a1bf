//! The forwarder's container: the network in which a service's container runs, and the way into it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use spanwise_model::Source;
use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::{BuildImageOptions, Host, IntoContainerPort as _};
use testcontainers::runners::{AsyncBuilder as _, AsyncRunner as _};
use testcontainers::{GenericBuildableImage, GenericImage, ImageExt as _};

use crate::container::json_logs;
use crate::error::reason;
use crate::held::Held;
use crate::tunnel::Tunnel;
use crate::{ContainerError, Engine, LABEL, Name};

/// The program, linked statically: its image holds nothing else.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/forwarder"));
/// Where it takes connections of the harness: a port that few programs want, and no connection of a service is given.
const CONTROL: u16 = 61_999;

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
        let request = GenericImage::new(image, tag)
            .with_exposed_port(CONTROL.tcp())
            .with_cmd(command)
            .with_container_name(engine.container_name(&format!("{}-network", service.service)))
            .with_labels(engine.labels())
            .with_network(engine.network())
            .with_host_config_modifier(|config| {
                publish(config);
                json_logs(config);
            });
        let request =
            hosts.into_iter().fold(request, |request, (name, at)| request.with_host(name, Host::Addr(at)));
        let container = request.start().await.map_err(|error| failed(reason(&error)))?;
        let port =
            container.get_host_port_ipv4(CONTROL.tcp()).await.map_err(|error| failed(reason(&error)))?;
        let control = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let targets = listening.into_iter().map(|(_, target)| target).collect();
        match Tunnel::open(control, &key, targets).await {
            Ok(tunnel) => Ok(Forwarder { container: Held::new(container), tunnel }),
            Err(error) => {
                let said = container.stderr_to_vec().await.unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                Err(failed(format!(
                    "{control} is published by the engine and does not answer: {error} {said}"
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

/// Publishes the control port on loopback alone; the library would publish it to the world.
fn publish(config: &mut HostConfig) {
    let binding = PortBinding { host_ip: Some(Ipv4Addr::LOCALHOST.to_string()), host_port: None };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{CONTROL}/tcp"), Some(vec![binding]))]));
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
