//! The running half of a lane: which instances of its services run, from their start to their end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use spanwise_collect::Store;
use spanwise_drive::Service;
use spanwise_front::TapLog;
use spanwise_model::{ProcessEvent, RunEvent, Source};
use spanwise_scenario::{Channel, Setting};
use tokio::sync::mpsc;

use super::drive::News;
use super::fleet::{Fleet, Hop};
use super::world::World;

/// A lane's services while they run, and what they leave behind.
pub(super) struct Instances {
    fleet: Arc<Fleet>,
    /// Why a service does not serve.
    failures: BTreeMap<String, String>,
}

impl Instances {
    /// Opens the fronts through which the driver enters, then starts the services in the setting's order: callees before
    /// callers.
    ///
    /// A service that does not start leaves its reason in [`Instances::failure`]; the others are started all the same.
    pub(super) async fn start(
        world: &Arc<World>,
        setting: Setting,
        entries: &[(String, Channel)],
        news: &mpsc::Sender<News>,
    ) -> Instances {
        let fleet = Arc::new(Fleet::new(world.clone(), setting));
        let mut failures = BTreeMap::new();
        for (service, channel) in entries {
            if let Err(reason) = fleet.open(from_driver(service, *channel)).await {
                failures.insert(service.clone(), reason);
            }
        }
        for start in &fleet.setting().services {
            if failures.contains_key(&start.name) {
                continue;
            }
            let begun = Instant::now();
            let source = Source::new(&start.name, 1);
            let event = match fleet.launch(start, 1).await {
                Ok(service) => {
                    fleet.serve(&service);
                    RunEvent::ServiceReady { source, millis: begun.elapsed().as_millis() as u64 }
                }
                Err(reason) => {
                    failures.insert(start.name.clone(), reason.clone());
                    RunEvent::ServiceFailed { source, reason }
                }
            };
            let _ = news.send(News::Event(event)).await;
        }
        Instances { fleet, failures }
    }

    /// Why one of these services does not serve, if one does not.
    async fn start_one(
        &mut self,
        world: &World,
        setting: &Setting,
        start: &ServiceStart,
    ) -> Result<Service, String> {
        if let Some(Err(reason)) = self.services.remove(&start.name) {
            return Err(reason);
        }
        let source = Source::new(&start.name, 1);
        let options = listen_options(source.clone(), &start.collector);
        let listener = self.collector.listen_with(options).map_err(|error| chain(&error))?;
        for callee in callees(start) {
            self.open_front(world, setting, &start.name, &callee, setting.channel_out).await?;
        }
        let value = |reference: &Reference| self.value(world, setting, start, &listener, reference);
        let mut launch = match &start.launch {
            scenario::Launch::Demo(name) => demo(source.clone(), name)?,
            scenario::Launch::Command(words) => {
                let mut words = words.iter().map(|word| word.fill(value));
                let program = words.next().ok_or("the command is empty")??;
                Launch { args: words.collect::<Result<_, String>>()?, ..Launch::new(source.clone(), program) }
            }
        };
        for (name, template) in &start.env {
            launch.env.push((name.clone(), template.fill(value)?));
        }
        launch.ready = match start.ready {
            scenario::Ready::Line => Ready::Line,
            scenario::Ready::Port => Ready::Port,
            scenario::Ready::GrpcHealth => Ready::GrpcHealth,
        };
        let service = world.launcher.start(launch).await.map_err(|error| chain(&error))?;
        for ((_, callee, _), front) in &self.fronts {
            if *callee == start.name {
                front.set_upstream(service.addr());
            }
        }
        self.listeners.insert(start.name.clone(), listener);
        Ok(service)
    }

    async fn open_front(
        &mut self,
        world: &World,
        setting: &Setting,
        from: &str,
        to: &str,
        channel: Channel,
    ) -> Result<(), String> {
        let mut options =
            FrontOptions::new(Some(Source::new(from, 1)), Source::new(to, 1), self.taps.clone());
        options.tls = (channel == Channel::Secure).then(|| world.authority.server_tls());
        let callee = setting.services.iter().find(|service| service.name == to);
        options.protocol = callee.map(|callee| spoken_to(callee.facts.protocol, channel)).unwrap_or_default();
        let front = Front::start(options).await.map_err(|error| chain(&error))?;
        if let Some(Ok(service)) = self.services.get(to) {
            front.set_upstream(service.addr());
        }
        self.fronts.insert((from.to_owned(), to.to_owned(), channel), front);
        Ok(())
    }

    /// What a reference in a service's environment or command stands for.
    fn value(
        &self,
        world: &World,
        setting: &Setting,
        start: &ServiceStart,
        listener: &Listener,
        reference: &Reference,
    ) -> Result<String, String> {
        Ok(match reference {
            Reference::ServiceUrl(callee) => {
                let key = (start.name.clone(), callee.clone(), setting.channel_out);
                let front = self.fronts.get(&key).ok_or_else(|| format!("no front before {callee}"))?;
                front.url("localhost")
            }
            Reference::Collector(_) => listener.url(),
            Reference::Port => Launch::PORT.to_owned(),
            Reference::MetadataHost => return Err("no metadata server runs".to_owned()),
            Reference::CaFile => world.ca_file().display().to_string(),
            Reference::UntrustedUrl => world.untrusted_url(),
            Reference::RefusedUrl => world.refused_url(setting.channel_out == Channel::Secure),
        })
    }

    fn note(&mut self, service: &str, opened: Result<(), String>) {
        if let Err(reason) = opened {
            self.services.insert(service.to_owned(), Err(reason));
        }
    }

    /// Why one of these services does not run, if one does not.
    pub(super) fn failure(&self, services: &[String]) -> Option<String> {
        services.iter().find_map(|name| match self.failures.get(name) {
            Some(reason) => Some(reason.clone()),
            None if self.service(name).is_none() => Some(format!("{name} was not started")),
            None => None,
        })
    }

    /// The first instance of a service.
    pub(super) fn service(&self, name: &str) -> Option<Arc<Service>> {
        self.fleet.first(name)
    }

    /// Every instance that got ready.
    pub(super) fn all(&self) -> Vec<Arc<Service>> {
        self.fleet.services()
    }

    /// The URL at which the driver reaches a service.
    pub(super) fn entry_url(&self, service: &str, channel: Channel) -> Option<String> {
        self.fleet.url(&from_driver(service, channel))
    }

    /// What went over the wire.
    pub(super) fn taps(&self) -> &Arc<TapLog> {
        self.fleet.taps()
    }

    /// Everything that was exported.
    pub(super) fn store(&self) -> &Arc<Store> {
        self.fleet.store()
    }

    /// Ends all services at once and waits until they are gone; what they exported until then is in the store.
    pub(super) async fn stop(&self, world: &World) -> Vec<ProcessEvent> {
        let services = self.all();
        let ends = services.iter().map(|service| service.terminate(world.options.grace));
        futures_util::future::join_all(ends).await.into_iter().flatten().collect()
    }
}

fn from_driver(service: &str, channel: Channel) -> Hop {
    Hop { from: Source::driver(), to: service.to_owned(), channel }
}
