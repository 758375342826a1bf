//! The running half of a lane: which instances of its services run, from their start to their end.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use spanwise_collect::{CollectError, ListenOptions, Listener, Store};
use spanwise_drive::Instance;
use spanwise_front::TapLog;
use spanwise_model::{Evidence, ProcessEvent, RunEvent, Settings, Source, TraceId, secret};
use spanwise_scenario::{Caller, Channel, Launch};

use super::deployment::Deployment;
use super::fleet::{Fleet, Hop};
use super::kept::Address;
use super::unlinked::{LastFound, Unlinked};
use super::world::World;

/// A lane's services while they run, and what they leave behind.
pub(super) struct Instances {
    fleet: Arc<Fleet>,
    /// Why a service does not serve.
    failures: BTreeMap<String, String>,
    unlinked: LastFound,
}

/// An instance that can be asked about its service for as long as this lives.
pub(super) struct Asked {
    pub(super) address: SocketAddr,
    /// Its place, which has a processor; or the fleet that was started for it.
    _held: Option<Box<dyn Send + Sync>>,
}

impl Instances {
    /// Services that were started, and why others were not.
    pub(super) fn new(fleet: Arc<Fleet>, failures: BTreeMap<String, String>) -> Instances {
        Instances { fleet, failures, unlinked: LastFound::default() }
    }

    /// Why one of these services does not serve, if one does not: of several the first in the setting's order, because callers fail
    /// where their callees do.
    pub(super) fn failure(&self, services: &[String]) -> Option<String> {
        let mut wanted = self.fleet.setting().services.iter().filter(|start| services.contains(&start.name));
        wanted.find_map(|start| self.failures.get(&start.name).cloned())
    }

    /// Services of which an instance that a request caused did not start, each with the reason.
    pub(super) fn failed_later(&self) -> Vec<RunEvent> {
        let failed = self.fleet.deployment().into_iter().flat_map(Deployment::failed_starts);
        let failed = failed.filter(|(name, _)| !self.failures.contains_key(*name));
        let event = |(name, reason): (&String, &String)| RunEvent::ServiceFailed {
            source: Source::new(name, 1),
            reason: reason.clone(),
        };
        failed.map(event).collect()
    }

    /// What stubs had no answer to.
    pub(super) fn unmatched(&self) -> Vec<RunEvent> {
        let known = |stub: &str| match self.fleet.setting().service(stub).map(|one| &one.start.launch) {
            Some(Launch::Stub(responses)) => {
                responses.iter().map(|one| secret::text(&one.to_string()).into_owned()).collect()
            }
            _ => Vec::new(),
        };
        let event = |(stub, request): (String, String)| RunEvent::StubUnmatched {
            known: known(&stub),
            stub,
            request,
        };
        self.fleet.unmatched().into_iter().map(event).collect()
    }

    /// An instance of a service, past every front. Where none runs by itself, one is started aside, whose traces nobody reads:
    /// how the first instance starts, and which number it has, is the requests' to cause.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn ask(&self, world: &Arc<World>, name: &str) -> Result<Asked, String> {
        if let Some(reason) = self.failures.get(name) {
            return Err(reason.clone());
        }
        let Some(schedule) = self.fleet.deployment().and_then(|deployment| deployment.schedule(name)) else {
            let first = self.fleet.first(name).ok_or_else(|| format!("{name} does not run"))?;
            return Ok(Asked { address: first.addr(), _held: None });
        };
        let start = self.fleet.setting().service(name);
        if let Some(start) = start.filter(|start| start.cloud_run.min_instances == 0) {
            let aside = Fleet::new(world.clone(), self.fleet.setting().clone()).await?;
            // What no schedule starts is not started for it either.
            for service in &aside.setting().services {
                if let Some(first) = self.fleet.first(&service.name) {
                    aside.serve(&service.name, first.addr());
                }
            }
            let address = aside.launch(start, 1).await?.addr();
            return Ok(Asked { address, _held: Some(Box::new(aside)) });
        }
        let lease = schedule.admit(world.options.answer_within).await.map_err(|reason| reason.to_string())?;
        Ok(Asked { address: lease.address, _held: Some(Box::new(lease)) })
    }

    /// Every instance that got ready, also one that ended since.
    pub(super) fn all(&self) -> Vec<Arc<dyn Instance>> {
        self.fleet.services()
    }

    /// The evidence that is not recorded of an instance, by service; services of which all is are not there. An external one
    /// has no part in it.
    pub(super) fn hidden(&self) -> BTreeMap<String, Vec<Evidence>> {
        let setting = self.fleet.setting();
        let is_judged = |name: &str| setting.service(name).is_some_and(|start| !start.facts.external);
        let mut hidden: BTreeMap<String, Vec<Evidence>> = BTreeMap::new();
        for instance in self.all().iter().filter(|instance| is_judged(&instance.source().service)) {
            let kinds = Evidence::ALL.into_iter().filter(|evidence| !instance.shows(*evidence));
            kinds
                .for_each(|kind| hidden.entry(instance.source().service.to_string()).or_default().push(kind));
        }
        hidden
    }

    /// What the `.proto` files say that the suite names for a service, compiled.
    pub(super) fn descriptors(&self, service: &str) -> Option<Arc<[u8]>> {
        self.fleet.setting().service(service).and_then(|start| start.descriptors.clone())
    }

    /// The URL at which the driver reaches a service.
    pub(super) fn entry_url(&self, hop: &Hop) -> Option<String> {
        self.fleet.url(hop)
    }

    /// The driver's ID token for a service that it calls at a URL, where a platform is emulated that could ask for one.
    pub(super) fn driver_token(&self, url: &str) -> Option<String> {
        self.fleet.deployment().map(|deployment| deployment.driver_token(url))
    }

    /// The URLs at which a service is called, by service, where a platform is emulated that asks for tokens that name one.
    pub(super) fn all_urls(&self) -> BTreeMap<String, Vec<String>> {
        let Some(deployment) = self.fleet.deployment() else { return BTreeMap::new() };
        let names = self.fleet.setting().services.iter().map(|service| service.name.clone());
        names.map(|name| (name.clone(), deployment.urls(&name))).collect()
    }

    /// A listener for what the program itself exports.
    pub(super) fn listen(&self, options: ListenOptions) -> Result<Listener, CollectError> {
        self.fleet.listen(options)
    }

    /// What went over the wire.
    pub(super) fn taps(&self) -> &Arc<TapLog> {
        self.fleet.taps()
    }

    /// The traces of which something was exported, and that an earlier lane saw.
    pub(super) fn past(&self) -> BTreeSet<TraceId> {
        self.fleet.past()
    }

    /// Whether what came of the lane may still change when it is over: its services run already, and nobody ends them.
    pub(super) fn are_shared(&self) -> bool {
        self.fleet.is_shared()
    }

    /// Lets the next lane have the services that run already, while others of this one stay up.
    pub(super) fn end_turn(&self) {
        self.fleet.end_turn();
    }

    /// The traces that services began by themselves although their requests named one, as far as it is known by now.
    pub(super) fn unlinked(&self, settings: &Settings) -> Arc<Unlinked> {
        self.unlinked.of(self, settings)
    }

    /// Everything that was exported.
    pub(super) fn store(&self) -> &Arc<Store> {
        self.fleet.store()
    }

    /// What happened to every instance so far.
    pub(super) fn events(&self) -> Vec<ProcessEvent> {
        self.all().iter().flat_map(|service| service.events()).collect()
    }

    /// Where everything of the lane is reached.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.fleet.addresses()
    }

    /// Ends all services at once and waits until they are gone; what they exported until then is in the store. Gives back what
    /// happened to every instance of the lane.
    pub(super) async fn stop(&self) -> Vec<ProcessEvent> {
        self.fleet.stop().await
    }
}

/// The hop by which the driver enters.
pub(super) fn from_driver(service: &str, channel: Channel, caller: Caller) -> Hop {
    Hop { from: Source::driver(), to: service.to_owned(), channel, caller }
}
