//! The running half of a lane: one instance of each service, the mock that each exports to, the front before each hop.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use spanwise_collect::{Behavior, Collector, ListenOptions, Listener, Persona, RefuseFirst, Store};
use spanwise_drive::{Launch, Ready, Service};
use spanwise_front::{Front, FrontOptions, TapLog, UpstreamProtocol};
use spanwise_model::{ProcessEvent, RunEvent, ServiceProtocol, Source};
use spanwise_scenario as scenario;
use spanwise_scenario::{Channel, Reference, ServiceStart, Setting};
use tokio::sync::mpsc;

use super::drive::News;
use super::world::World;

/// A lane's services while they run, and what they leave behind.
pub(super) struct Instances {
    collector: Collector,
    /// What went over the wire.
    pub(super) taps: Arc<TapLog>,
    /// A listener for each instance; held so that it listens.
    listeners: HashMap<String, Listener>,
    /// The fronts by caller, service and channel.
    fronts: HashMap<(String, String, Channel), Front>,
    services: BTreeMap<String, Result<Service, String>>,
}

impl Instances {
    /// Opens the mock and the fronts, then starts the services in the setting's order: callees before callers.
    ///
    /// A service that does not start leaves its reason in [`Instances::failure`]; the others are started all the same.
    pub(super) async fn start(
        world: &World,
        setting: &Setting,
        entries: &[(String, Channel)],
        news: &mpsc::Sender<News>,
    ) -> Instances {
        let mut instances = Instances {
            collector: Collector::new(spanwise_collect::Options::default()),
            taps: Arc::new(TapLog::new()),
            listeners: HashMap::new(),
            fronts: HashMap::new(),
            services: BTreeMap::new(),
        };
        for (service, channel) in entries {
            let opened = instances.open_front(world, setting, Source::DRIVER, service, *channel).await;
            instances.note(service, opened);
        }
        for start in &setting.services {
            let begun = Instant::now();
            let source = Source::new(&start.name, 1);
            let started = instances.start_one(world, setting, start).await;
            let millis = begun.elapsed().as_millis() as u64;
            let event = match &started {
                Ok(_) => RunEvent::ServiceReady { source, millis },
                Err(reason) => RunEvent::ServiceFailed { source, reason: reason.clone() },
            };
            let _ = news.send(News::Event(event)).await;
            instances.services.insert(start.name.clone(), started);
        }
        instances
    }

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
        services.iter().find_map(|name| match self.services.get(name) {
            Some(Ok(_)) => None,
            Some(Err(reason)) => Some(reason.clone()),
            None => Some(format!("{name} was not started")),
        })
    }

    /// A service that runs.
    pub(super) fn service(&self, name: &str) -> Option<&Service> {
        self.services.get(name).and_then(|started| started.as_ref().ok())
    }

    /// Every service that runs.
    pub(super) fn running(&self) -> impl Iterator<Item = &Service> {
        self.services.values().filter_map(|started| started.as_ref().ok())
    }

    /// The URL at which the driver reaches a service.
    pub(super) fn entry_url(&self, service: &str, channel: Channel) -> Option<String> {
        let key = (Source::DRIVER.to_owned(), service.to_owned(), channel);
        self.fronts.get(&key).map(|front| front.url("localhost"))
    }

    /// Everything that was exported.
    pub(super) fn store(&self) -> &Arc<Store> {
        self.collector.store()
    }

    /// Ends all services at once and waits until they are gone; what they exported until then is in the store.
    pub(super) async fn stop(&self, world: &World) -> Vec<ProcessEvent> {
        let ends = self.running().map(|service| service.terminate(world.options.grace));
        futures_util::future::join_all(ends).await.into_iter().flatten().collect()
    }
}

/// What a front speaks to a service. Behind TLS it is what the service declares, as on Cloud Run: a caller negotiates
/// HTTP/2 with the platform, which says nothing of the service. In plaintext the caller speaks to the service itself.
fn spoken_to(service: ServiceProtocol, channel: Channel) -> UpstreamProtocol {
    match (channel, service) {
        (Channel::Insecure, _) => UpstreamProtocol::AsCaller,
        (Channel::Secure, ServiceProtocol::Http) => UpstreamProtocol::Http1,
        (Channel::Secure, ServiceProtocol::Grpc) => UpstreamProtocol::H2c,
    }
}

/// How the mock listens for a service.
fn listen_options(source: Source, collector: &scenario::Collector) -> ListenOptions {
    let persona = match collector.persona {
        scenario::Persona::Otlp => Persona::Otlp,
        scenario::Persona::Google => Persona::Google,
    };
    let refuse_first = collector.refuse_first.map(|code| RefuseFirst { requests: 1, code });
    let behavior = Behavior { refuse: collector.refuse, refuse_first, ..Behavior::default() };
    ListenOptions { source: Some(source), persona, behavior, ..ListenOptions::default() }
}

/// The services that a service's environment or command names.
fn callees(start: &ServiceStart) -> Vec<String> {
    let words = match &start.launch {
        scenario::Launch::Command(words) => words.as_slice(),
        scenario::Launch::Demo(_) => &[],
    };
    let mut found = Vec::new();
    for reference in start.env.values().chain(words).flat_map(|template| template.references()) {
        if let Reference::ServiceUrl(name) = reference
            && !found.contains(name)
        {
            found.push(name.clone());
        }
    }
    found
}

/// A demo service: this very program, asked to be one.
#[cfg(feature = "demo")]
fn demo(source: Source, name: &str) -> Result<Launch, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("the running program cannot be found: {error}"))?;
    let args = vec![crate::demo::ARGUMENT.to_owned(), name.to_owned()];
    Ok(Launch { args, ..Launch::new(source, program) })
}

#[cfg(not(feature = "demo"))]
fn demo(_: Source, name: &str) -> Result<Launch, String> {
    Err(format!("this build has no demo services (feature `demo`), so {name} cannot be started"))
}

/// An error with all its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_tls_a_service_is_spoken_to_in_its_own_protocol() {
        let check = |service, channel, expected| assert_eq!(spoken_to(service, channel), expected);
        check(ServiceProtocol::Http, Channel::Secure, UpstreamProtocol::Http1);
        check(ServiceProtocol::Grpc, Channel::Secure, UpstreamProtocol::H2c);
        check(ServiceProtocol::Http, Channel::Insecure, UpstreamProtocol::AsCaller);
        check(ServiceProtocol::Grpc, Channel::Insecure, UpstreamProtocol::AsCaller);
    }
}
