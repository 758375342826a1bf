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
use super::launch::{build, callees};
use super::world::World;

/// The services of a lane, each of which serves or has failed.
pub(super) struct Started {
    pub(super) fleet: Arc<Fleet>,
    /// Why a service does not serve.
    pub(super) failures: BTreeMap<String, String>,
    /// What there is to tell of it.
    events: Vec<RunEvent>,
    /// The services that failed by themselves and had started beside others.
    failed_early: Vec<String>,
}

/// Opens the fronts through which the driver enters, builds what is to be built, and starts the services. On Cloud Run as many
/// instances are started as always run.
///
/// # Errors
/// What concerns all of them.
pub(super) async fn start(
    world: &Arc<World>,
    setting: Setting,
    entries: &[Hop],
    news: &mpsc::Sender<News>,
) -> Result<Started, String> {
    let not_built = build_all(world, &setting, news).await;
    let mut started = Started::new(world, setting.clone(), entries, &not_built).await?;
    // What others of the suite have found out is asked as late as can be.
    let line = world.turns.line().await;
    if started.may_be_early(world) {
        started.start(world, Some(line)).await;
        if started.was_too_early() {
            world.start_in_order(&setting.suite);
            started.fleet.stop().await;
            // Services that run already are had by one at a time.
            drop(started);
            started = Started::new(world, setting, entries, &not_built).await?;
            started.start(world, None).await;
        }
    } else {
        drop(line);
        started.start(world, None).await;
    }
    for event in std::mem::take(&mut started.events) {
        tell(news, event).await;
    }
    Ok(started)
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
        let is_left = |start: &&ServiceStart| !self.failures.contains_key(&start.name);
        let mut waiting: VecDeque<_> = fleet.setting().services.iter().filter(is_left).collect();
        let mut starting = FuturesUnordered::new();
        // How many of them take their time: nobody is to be early because of the others.
        let mut slow = 0;
        let mut turn = pin!(world.turns.next());
        loop {
            if waiting.is_empty() {
                line = None;
            }
            let is_next = starting.is_empty() || (line.is_some() && starting.len() == slow);
            tokio::select! {
                given = &mut turn, if is_next && !waiting.is_empty() => {
                    let Some(start) = waiting.pop_front() else { continue };
                    turn.set(world.turns.next());
                    let (fleet, is_slow, is_early) = (&fleet, takes_time(start), !starting.is_empty());
                    slow += usize::from(is_slow);
                    let begun = Instant::now();
                    starting.push(async move {
                        let result = given.start(started(fleet, start)).await;
                        (start, result, begun.elapsed(), is_slow, is_early)
                    });
                }
                Some((start, result, took, is_slow, is_early)) = starting.next() => {
                    slow -= usize::from(is_slow);
                    match result {
                        Ok(()) => self.ready(start, took),
                        Err(reason) => {
                            // One that did not get ready in time was not in a hurry.
                            if is_early && took < start.start.ready_within {
                                self.failed_early.push(start.name.clone());
                            }
                            self.failed(&start.name, reason);
                        }
                    }
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

    /// A service serves, with as many instances as always run: where it starts with its first request, with none.
    fn ready(&mut self, start: &ServiceStart, took: Duration) {
        for service in self.fleet.services().iter().filter(|one| *one.source().service == *start.name) {
            let (source, millis) = (service.source().clone(), took.as_millis() as u64);
            self.events.push(RunEvent::ServiceReady { source, millis });
        }
    }

    /// A service will not serve.
    fn failed(&mut self, service: &str, reason: String) {
        self.fleet.settle(service, None);
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
    let schedule = fleet.deployment().and_then(|deployment| deployment.schedule(&start.name));
    let at = match schedule {
        // It says for each request where that goes.
        Some(schedule) => schedule.warm().await.map(|()| None)?,
        None => Some(fleet.launch(start, 1).await?.addr()),
    };
    fleet.settle(&start.name, at);
    Ok(())
}
