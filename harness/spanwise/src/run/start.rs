//! How a lane's services come to serve: what is built before, who starts beside whom, and when they start in order.
//!
//! Services start side by side, because most of a run of few permutations is their start. One that started before those served that stand
//! before it may have found that out: it called one of them, or failed. Then nothing of that start counts, and it is made once
//! more, in order: one service after the other, callees first, as in all other starts of the suite from then on. So what is observed
//! is never the doing of an early start.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use spanwise_model::{RunEvent, Source, secret};
use spanwise_scenario::{Launch, ServiceStart, Setting};
use tokio::sync::{MutexGuard, mpsc};

use super::drive::News;
use super::fleet::{Fleet, Hop};
use super::instances::Instances;
use super::launch::{build, callees};
use super::world::World;

/// One start of a lane's services, of which each serves or has failed in the end.
struct Started {
    fleet: Arc<Fleet>,
    /// Why a service does not serve.
    failures: BTreeMap<String, String>,
    /// What there is to tell of it.
    events: Vec<RunEvent>,
    /// The services that failed by themselves and had started beside others.
    failed_early: Vec<String>,
}

/// Opens the fronts through which the driver enters, builds what is to be built, and starts the services. On Cloud Run as many
/// instances are started as always run.
///
/// A service that does not start leaves its reason in [`Instances::failure`]; the others are started all the same.
///
/// # Errors
/// What concerns all of them.
pub(super) async fn start(
    world: &Arc<World>,
    setting: Setting,
    entries: &[Hop],
    news: &mpsc::Sender<News>,
) -> Result<Instances, String> {
    let not_built = build_all(world, &setting, news).await;
    loop {
        let mut started = Started::new(world, setting.clone(), entries, &not_built).await?;
        // What others of the suite have found out is asked as late as can be.
        let line = world.turns.line().await;
        let is_early = started.may_be_early(world);
        started.start(world, is_early.then_some(line)).await;
        if !is_early || !started.was_too_early() {
            for event in started.events {
                tell(news, event).await;
            }
            return Ok(Instances::new(started.fleet, started.failures));
        }
        world.start_in_order(&setting.suite);
        // It is dropped before the next: services that run already are had by one at a time.
        started.fleet.stop().await;
    }
}

/// Builds what is to be built, one after the other, each once a run: no start is to wait for it. Gives back why what could not be built.
async fn build_all(world: &World, setting: &Setting, news: &mpsc::Sender<News>) -> BTreeMap<String, String> {
    let mut failures = BTreeMap::new();
    for start in &setting.services {
        let mut built = Ok(());
        if let Some(build) = build(start) {
            if world.is_news(build.clone()) {
                let command = secret::text(&build.words.join(" ")).into_owned();
                tell(news, RunEvent::Building { service: start.name.clone(), command }).await;
            }
            built = world.build(&start.name, build, start.start.build_within).await;
        }
        #[cfg(feature = "containers")]
        if built.is_ok() {
            built = world.image(start).await;
        }
        if let Err(reason) = built {
            failures.insert(start.name.clone(), reason);
        }
    }
    failures
}

async fn tell(news: &mpsc::Sender<News>, event: RunEvent) {
    // Nobody listens any more where the run was dropped.
    let _ = news.send(News::Event(event)).await;
}

impl Started {
    /// Nothing is started yet, but the fronts through which the driver enters are open.
    async fn new(
        world: &Arc<World>,
        setting: Setting,
        entries: &[Hop],
        not_built: &BTreeMap<String, String>,
    ) -> Result<Started, String> {
        let fleet = Fleet::new(world.clone(), setting).await?;
        let (failures, events, failed_early) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut started = Started { fleet, failures, events, failed_early };
        for (service, reason) in not_built {
            started.failed(service, reason.clone());
        }
        for hop in entries {
            if let Err(reason) = started.fleet.open(hop.clone()).await {
                started.failed(&hop.to, reason);
            }
        }
        Ok(started)
    }

    /// Whether services may start before those serve that stand before them. On the emulated Cloud Run these are deployed already; a
    /// task of the program is not to be started twice.
    fn may_be_early(&self, world: &World) -> bool {
        let is_plain = self.fleet.deployment().is_none() && world.programs.is_empty();
        is_plain && !world.starts_in_order(&self.fleet.setting().suite)
    }

    /// Starts the services of which nothing failed yet: side by side for as long as the lane has its place in the line, else one
    /// after the other.
    async fn start(&mut self, world: &World, mut line: Option<MutexGuard<'_, ()>>) {
        let fleet = self.fleet.clone();
        let left = fleet.setting().services.iter().filter(|start| !self.failures.contains_key(&start.name));
        let (mut waiting, at_once): (VecDeque<_>, VecDeque<_>) = left.partition(|start| takes_time(start));
        // Nobody is to be early because of what takes no time, and calls nobody.
        for start in at_once {
            let begun = Instant::now();
            let result = started(&fleet, start).await;
            self.ended(start, result, begun.elapsed());
        }
        let mut starting = FuturesUnordered::new();
        let mut turn = pin!(world.turns.next());
        loop {
            if waiting.is_empty() {
                line = None;
            }
            let is_next = !waiting.is_empty() && (starting.is_empty() || line.is_some());
            tokio::select! {
                given = &mut turn, if is_next => {
                    let Some(start) = waiting.pop_front() else { continue };
                    turn.set(world.turns.next());
                    let (fleet, is_early, begun) = (&fleet, !starting.is_empty(), Instant::now());
                    starting.push(async move {
                        (start, given.start(started(fleet, start)).await, begun.elapsed(), is_early)
                    });
                }
                Some((start, result, took, is_early)) = starting.next() => {
                    // One that did not get ready in time was not in a hurry.
                    if is_early && result.is_err() && took < start.start.ready_within {
                        self.failed_early.push(start.name.clone());
                    }
                    self.ended(start, result, took);
                }
                else => break,
            }
        }
    }

    /// Whether a service may have done something else than it would have, had it started in order: it called one that did not serve
    /// yet, or failed, though none of its callees did.
    fn was_too_early(&self) -> bool {
        let has_callees = |service: &String| {
            let start = self.fleet.setting().service(service);
            let mut callees = start.map(callees).unwrap_or_default().into_iter();
            !callees.any(|callee| callee != *service && self.failures.contains_key(&callee))
        };
        self.failed_early.iter().any(has_callees) || self.fleet.was_called_early()
    }

    /// The start of a service is over.
    fn ended(&mut self, start: &ServiceStart, result: Result<(), String>, took: Duration) {
        if let Err(reason) = result {
            return self.failed(&start.name, reason);
        }
        // As many as always run: of a service that starts with its first request, none.
        for service in self.fleet.services().iter().filter(|one| *one.source().service == *start.name) {
            let (source, millis) = (service.source().clone(), took.as_millis() as u64);
            self.events.push(RunEvent::ServiceReady { source, millis });
        }
    }

    /// A service will not serve.
    fn failed(&mut self, service: &str, reason: String) {
        self.failures.insert(service.to_owned(), reason.clone());
        self.events.push(RunEvent::ServiceFailed { source: Source::new(service, 1), reason });
    }
}

/// Whether a service takes a while until it serves.
fn takes_time(start: &ServiceStart) -> bool {
    !matches!(start.start.launch, Launch::Running { .. } | Launch::Stub(_))
}

/// Starts a service and waits until it is ready, on Cloud Run all its instances that always run.
async fn started(fleet: &Arc<Fleet>, start: &ServiceStart) -> Result<(), String> {
    if let Some(schedule) = fleet.deployment().and_then(|deployment| deployment.schedule(&start.name)) {
        return schedule.warm().await;
    }
    let service = fleet.launch(start, 1).await?;
    fleet.serve(&start.name, service.addr());
    Ok(())
}
