//! The instances of a lane's services, each with a mock of its own to export to and a front of its own before every service that
//! it calls.
//!
//! `start` says what is started when, `launch` how; nothing here decides that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use futures_util::future::join_all;
use spanwise_cloud_run::MetadataServer;
use spanwise_collect::{
    Behavior, CollectError, Collector, ListenOptions, Listener, Persona, RefuseFirst, Store,
};
use spanwise_drive::{Instance, OnUnmatched};
use spanwise_front::{Front, FrontOptions, TapLog, UpstreamProtocol};
use spanwise_model::{InstanceEnd, Platform, ProcessEvent, ServiceProtocol, Source, TraceId, secret};
use spanwise_scenario as scenario;
use spanwise_scenario::{Caller, Channel, ServiceStart, Setting};
use tokio::task::JoinSet;

use super::deployment::Deployment;
use super::fixed::Turn;
use super::kept::Address;
use super::launch::{Surroundings, callees};
use super::send::now;
use super::world::World;

/// A lane's instances and what stands around them.
pub(super) struct Fleet {
    world: Arc<World>,
    setting: Setting,
    /// Where the platform is Cloud Run.
    deployment: Option<Deployment>,
    collector: Collector,
    /// Where services of the lane run already: nobody else observes them at the same time. Held until the lane is over.
    turn: Mutex<Option<Turn>>,
    /// Whether services of the lane run already, and go on after it.
    is_shared: bool,
    /// What went over the wire.
    taps: Arc<TapLog>,
    /// Stubs and the requests that they had no answer to.
    unmatched: Arc<Mutex<BTreeSet<(String, String)>>>,
    held: Mutex<Held>,
}

/// What lives as long as the lane.
#[derive(Default)]
pub(super) struct Held {
    /// Every instance that was started and got ready, also one that ended since.
    services: BTreeMap<Source, Arc<dyn Instance>>,
    /// The services that started and are called at one address.
    serving: BTreeMap<String, Serving>,
    /// A listener for each instance; held so that it listens.
    listeners: Vec<(Source, Listener)>,
    pub(super) fronts: HashMap<Hop, Front>,
    /// What ends TLS before listeners and metadata servers, where services shall believe that they speak to Google.
    pub(super) tls: Vec<Front>,
    metadata: Vec<MetadataServer>,
    /// They wait for instances that end by themselves, and end with the lane.
    watchers: JoinSet<()>,
}

/// Where a service is called, and since when, in nanoseconds since the Unix epoch.
struct Serving {
    at: SocketAddr,
    since: u64,
}

/// Which front: who calls whom, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hop {
    pub(super) from: Source,
    pub(super) to: String,
    pub(super) channel: Channel,
    /// Where the driver stands; services stand where they are deployed.
    pub(super) caller: Caller,
}

impl Fleet {
    pub(super) async fn new(world: Arc<World>, setting: Setting) -> Result<Arc<Fleet>, String> {
        let identity = match setting.platform {
            Platform::Plain => None,
            Platform::CloudRun => Some(world.identity().await?),
        };
        let collector = Collector::new(spanwise_collect::Options::default());
        let is_shared = |one: &ServiceStart| {
            matches!(one.start.launch, scenario::Launch::Running { .. }) && !one.facts.external
        };
        let taps = Arc::new(TapLog::new());
        let turn = match &setting.collector {
            Some(fixed) if setting.services.iter().any(is_shared) => {
                Some(world.fixed.turn(fixed, &collector, &taps).await?)
            }
            _ => None,
        };
        Ok(Arc::new_cyclic(|fleet: &Weak<Fleet>| Fleet {
            deployment: identity.map(|identity| Deployment::new(identity, &setting, fleet)),
            world,
            setting,
            collector,
            is_shared: turn.is_some(),
            turn: Mutex::new(turn),
            taps,
            unmatched: Arc::default(),
            held: Mutex::default(),
        }))
    }

    /// Where the platform is Cloud Run.
    pub(super) fn deployment(&self) -> Option<&Deployment> {
        self.deployment.as_ref()
    }

    pub(super) fn world(&self) -> &World {
        &self.world
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.setting
    }

    pub(super) fn taps(&self) -> &Arc<TapLog> {
        &self.taps
    }

    /// A listener of its own for somebody who is no service.
    pub(super) fn listen(&self, options: ListenOptions) -> Result<Listener, CollectError> {
        self.collector.listen_with(options)
    }

    /// Everything that was exported.
    pub(super) fn store(&self) -> &Arc<Store> {
        self.collector.store()
    }

    /// The traces of which something was exported, and that an earlier lane saw.
    pub(super) fn past(&self) -> BTreeSet<TraceId> {
        let turn = self.turn();
        let Some(turn) = &*turn else { return BTreeSet::new() };
        self.store().traces().into_iter().filter(|trace| turn.is_past(*trace)).collect()
    }

    /// Whether services of the lane run already, and go on after it.
    pub(super) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Lets the next lane have the services that run already. What they export from then on is no longer the lane's.
    pub(super) fn end_turn(&self) {
        self.turn().take();
    }

    fn turn(&self) -> MutexGuard<'_, Option<Turn>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the front of a hop. Its service need not run yet.
    pub(super) async fn open(&self, hop: Hop) -> Result<(), String> {
        let (from, to) = (hop.from.clone(), Source::new(&hop.to, 1));
        let mut options = FrontOptions::new(Some(from), to, self.taps.clone());
        options.tls = (hop.channel == Channel::Secure).then(|| self.world.authority.server_tls());
        let callee = self.setting.service(&hop.to);
        options.protocol = callee.map(|callee| spoken_to(onward(callee), hop.channel)).unwrap_or_default();
        if let Some(policy) = self.deployment.as_ref().and_then(|deployment| deployment.policy(&hop)) {
            options.policy = policy;
        }
        let front = Front::start(options).await.map_err(|error| chain(&error))?;
        if let Some(deployment) = &self.deployment {
            deployment.is_called_at(&hop.to, front.url("localhost"));
        }
        let mut held = self.held();
        if let Some(serving) = held.serving.get(&hop.to) {
            front.set_upstream(serving.at);
        }
        held.fronts.insert(hop, front);
        Ok(())
    }

    /// The URL of a hop's front.
    pub(super) fn url(&self, hop: &Hop) -> Option<String> {
        self.held().fronts.get(hop).map(|front| front.url("localhost"))
    }

    /// Starts an instance of a service, with all that it is told of around it - a collector and a metadata server of its own, and
    /// the fronts before everything that it calls - and waits until it is ready.
    pub(super) async fn launch(
        self: &Arc<Self>,
        start: &ServiceStart,
        number: u32,
    ) -> Result<Arc<dyn Instance>, String> {
        let source = Source::new(&start.name, number);
        let (mut listener, mut collector, mut metadata, mut google) = (None, None, None, None);
        if start.start.launch.takes_environment() {
            for to in callees(start) {
                self.open(self.inner_hop(&source, to)).await?;
            }
            let own = self.collector.listen_with(listen_options(source.clone(), &start.collector));
            let own = own.map_err(|error| chain(&error))?;
            collector = Some(match &self.deployment {
                None => own.url(),
                Some(_) => format!("https://localhost:{}", self.behind_tls(own.address()).await?.port()),
            });
            metadata = self.metadata(start, number).await?;
            if let (Some(metadata), scenario::Launch::Container(container)) = (&metadata, &start.start.launch)
            {
                google = Some(self.google(&own, metadata, container.port).await?);
            }
            listener = Some(own);
        }
        let host = metadata.as_ref().map(MetadataServer::host);
        let around = Surroundings { fleet: self, source: &source, collector, metadata: host, google };
        let service = around.start(start).await?;
        let mut held = self.held();
        held.listeners.extend(listener.map(|listener| (source.clone(), listener)));
        held.metadata.extend(metadata);
        held.services.insert(source, service.clone());
        if self.deployment.is_some() {
            held.watchers.spawn(watch(Arc::downgrade(self), service.clone()));
        }
        Ok(service)
    }

    /// Sends what comes for a service there from now on.
    pub(super) fn serve(&self, service: &str, at: SocketAddr) {
        let mut held = self.held();
        for (_, front) in held.fronts.iter().filter(|(hop, _)| hop.to == service) {
            front.set_upstream(at);
        }
        held.serving.insert(service.to_owned(), Serving { at, since: now() });
    }

    /// Whether a service called another one, which stands before it in the order of starts and serves, when that did not serve yet.
    pub(super) fn was_called_early(&self) -> bool {
        let place = |name: &str| self.setting.services.iter().position(|start| start.name == name);
        let taps = self.taps.all();
        let held = self.held();
        taps.iter().any(|tap| {
            let serving = held.serving.get(&*tap.to.service);
            let is_early = serving.is_some_and(|serving| tap.stamps.begun < serving.since);
            let caller = tap.from.as_ref().and_then(|from| place(&from.service));
            is_early && caller.is_some_and(|caller| place(&tap.to.service) < Some(caller))
        })
    }

    /// An instance that was started and got ready.
    pub(super) fn instance(&self, source: &Source) -> Option<Arc<dyn Instance>> {
        self.held().services.get(source).cloned()
    }

    /// Ends an instance as its service is deployed, and returns when it is gone, with all that happened to it.
    pub(super) async fn end(&self, source: &Source) -> Vec<ProcessEvent> {
        let Some(service) = self.instance(source) else { return Vec::new() };
        let start = self.setting.service(&source.service);
        let deployed = start.filter(|_| self.deployment.is_some()).map(|start| start.cloud_run.end);
        match deployed.unwrap_or_default() {
            InstanceEnd::Sigterm => service.terminate(self.world.options.grace).await,
            InstanceEnd::Killed => service.kill_as_it_is().await,
        }
    }

    /// Ends all services at once and waits until they are gone; what they exported until then is in the store. Gives back what
    /// happened to every instance.
    pub(super) async fn stop(&self) -> Vec<ProcessEvent> {
        if let Some(deployment) = &self.deployment {
            deployment.shutdown().await;
        }
        let services = self.services();
        let ends = services.iter().map(|service| self.end(service.source()));
        join_all(ends).await.into_iter().flatten().collect()
    }

    /// Every instance that was started and got ready, also one that ended since.
    pub(super) fn services(&self) -> Vec<Arc<dyn Instance>> {
        self.held().services.values().cloned().collect()
    }

    /// The first instance of a service.
    pub(super) fn first(&self, name: &str) -> Option<Arc<dyn Instance>> {
        let held = self.held();
        held.services.values().find(|service| *service.source().service == *name).cloned()
    }

    /// What a stub does with a request that it has no answer to.
    pub(super) fn on_unmatched(&self, stub: &str) -> OnUnmatched {
        let (unmatched, stub) = (self.unmatched.clone(), stub.to_owned());
        Box::new(move |request| {
            unmatched.lock().unwrap_or_else(PoisonError::into_inner).insert((stub.clone(), request));
        })
    }

    /// Stubs and the requests that they had no answer to up to now, each once.
    pub(super) fn unmatched(&self) -> BTreeSet<(String, String)> {
        self.unmatched.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where everything is reached: services as they are, the fronts before them, and the mocks that they export to.
    pub(super) fn addresses(&self) -> Vec<Address> {
        let held = self.held();
        let service = |(source, service): (&Source, &Arc<dyn Instance>)| Address {
            what: format!("{source} itself"),
            url: format!("http://{}", service.addr()),
        };
        let front = |(hop, front): (&Hop, &Front)| Address {
            what: format!("{} from {}, {}", hop.to, hop.from, hop.channel.as_str()),
            url: front.url("localhost"),
        };
        let listener = |(source, listener): &(Source, Listener)| Address {
            what: format!("what {source} exports to"),
            url: listener.url(),
        };
        let mut all: Vec<Address> = held.services.iter().map(service).collect();
        let mut fronts: Vec<Address> = held.fronts.iter().map(front).collect();
        fronts.sort();
        all.extend(fronts);
        all.extend(held.listeners.iter().map(listener));
        all
    }

    /// The hop from an instance to a service that it calls.
    pub(super) fn inner_hop(&self, source: &Source, to: String) -> Hop {
        let channel = self.setting.channel_out;
        Hop { from: source.clone(), to, channel, caller: Caller::default() }
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the schedule of an instance that it is gone, however it ended.
async fn watch(fleet: Weak<Fleet>, service: Arc<dyn Instance>) {
    service.exited().await;
    let Some(fleet) = fleet.upgrade() else { return };
    let source = service.source();
    if let Some(schedule) = fleet.deployment().and_then(|one| one.schedule(&source.service)) {
        schedule.lost(source.instance);
    }
}

/// What a service is deployed to be spoken to in: Cloud Run says so apart from what it serves.
fn onward(service: &ServiceStart) -> ServiceProtocol {
    match service.cloud_run.http2 {
        true => ServiceProtocol::Grpc,
        false => service.facts.protocol,
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

/// Whom a listener stands for, in the words of the collector.
pub(super) fn persona(persona: scenario::Persona) -> Persona {
    match persona {
        scenario::Persona::Otlp => Persona::Otlp,
        scenario::Persona::Google => Persona::Google,
    }
}

/// How the mock listens for a service.
fn listen_options(source: Source, collector: &scenario::Collector) -> ListenOptions {
    let refuse_first = collector.refuse_first.map(|code| RefuseFirst { requests: 1, code });
    let behavior = Behavior { refuse: collector.refuse, refuse_first, ..Behavior::default() };
    ListenOptions {
        source: Some(source),
        persona: persona(collector.persona),
        behavior,
        ..ListenOptions::default()
    }
}

/// An error with all its causes in one line; one that names its cause already does not name it twice. Secrets are replaced: it may
/// show a command of the user's, and is written down and shown to everybody.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.ends_with(&why) {
            text.push_str(&format!(": {why}"));
        }
        cause = error.source();
    }
    secret::text(&text).into_owned()
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
