//! Starts an instance in a container. What it finds there is what `fleet` opened on loopback, and Google (`google`).

use std::collections::BTreeSet;
use std::sync::Arc;

use spanwise_containers::{Build, ContainerLaunch, Engine, Image, Name};
use spanwise_drive::Instance;
use spanwise_scenario as scenario;
use spanwise_scenario::ServiceStart;

use super::fleet::chain;
use super::launch::{CONTAINER_CA_FILE, CONTAINER_CA_PKCS12, Surroundings, ready};
use super::world::World;

impl World {
    /// The container engine, which is asked once a run whether it is there.
    async fn engine(&self) -> Result<&Engine, String> {
        let connect = async || Engine::connect(&self.launcher).await.map_err(|error| chain(&error));
        let connected = self.engine.get_or_init(connect);
        connected.await.as_ref().map_err(Clone::clone)
    }

    /// Sees to it that the image of a service is there, where it is to run in a container.
    pub(super) async fn image(&self, start: &ServiceStart) -> Result<(), String> {
        let scenario::Launch::Container(container) = &start.start.launch else { return Ok(()) };
        let fetched = self.engine().await?.image(&image(container), start.start.build_within).await;
        fetched.map(drop).map_err(|error| chain(&error))
    }
}

/// What a container is made of, in the words of the engine.
fn image(container: &scenario::Container) -> Image {
    match &container.image {
        scenario::Image::Named(name) => Image::Named(name.clone()),
        scenario::Image::Built { dockerfile, context, args } => Image::Built(Build {
            dockerfile: dockerfile.clone(),
            context: context.clone(),
            args: args.clone(),
        }),
    }
}

impl Surroundings<'_> {
    /// Starts the instance in a container and waits until it is ready.
    pub(super) async fn container(
        &self,
        start: &ServiceStart,
        container: &scenario::Container,
    ) -> Result<Arc<dyn Instance>, String> {
        let world = self.fleet.world();
        let google = self.google.ok_or("nothing stands for Google")?;
        let name = |(host, port, leads_to): (&str, u16, u16)| Name { host: host.to_owned(), port, leads_to };
        let authority = [
            (CONTAINER_CA_FILE.to_owned(), world.authority.ca_pem().as_bytes().to_vec()),
            (CONTAINER_CA_PKCS12.to_owned(), world.authority.ca_pkcs12().to_vec()),
        ];
        let variable =
            |(name, template): (&String, &scenario::Template)| Ok((name.clone(), self.fill(template)?));
        let launch = ContainerLaunch {
            args: container.args.iter().map(|word| self.fill(word)).collect::<Result<_, String>>()?,
            env: start.env.iter().map(variable).collect::<Result<_, String>>()?,
            files: authority.to_vec(),
            image_within: start.start.build_within,
            port: container.port,
            ready: ready(&start.start.ready),
            ready_within: start.start.ready_within,
            loopback: self.loopback(),
            names: google.names().map(name).collect(),
            ..ContainerLaunch::new(self.source.clone(), image(container))
        };
        let started = world.engine().await?.start(launch).await;
        Ok(Arc::new(started.map_err(|error| chain(&error))?))
    }

    /// The ports of 127.0.0.1 that are in URLs and addresses which the instance is told.
    fn loopback(&self) -> BTreeSet<u16> {
        let world = self.fleet.world();
        let held = self.fleet.held();
        let own = held.fronts.iter().filter(|(hop, _)| hop.from == *self.source);
        let mut ports: BTreeSet<u16> = own.map(|(_, front)| front.addr().port()).collect();
        let collector = self.collector.iter().filter_map(|url| url.rsplit(':').next()?.parse().ok());
        let metadata = self.google.map(|google| google.metadata);
        ports.extend(collector.chain(metadata).chain([world.untrusted_port()]));
        ports
    }
}
