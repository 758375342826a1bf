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
