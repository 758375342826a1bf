//! A schedule with its callers, moved in steps. Time stands still but for [`Step::Pass`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanwise_cloud_run::schedule::{Lease, NoInstance, Schedule};
use spanwise_model::CloudRunService;
use tokio::task::{JoinHandle, yield_now};

use crate::fake::{Fake, lock};

/// How long every caller waits.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Something that happens to a schedule. Callers are told by their number, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// The least number of instances is started.
    Warm,
    /// The next caller asks.
    Ask,
    /// A caller's exchange ends.
    Done(u32),
    /// A caller that waits goes away.
    Leave(u32),
    /// A start ends well.
    Serve(u32),
    /// A start fails.
    Fail(u32),
    /// Milliseconds pass.
    Pass(u64),
    /// A process ends by itself.
    Lose(u32),
    /// The same, of one whose start is told of later.
    LoseUntold(u32),
    Shutdown,
}

pub(crate) struct World {
    pub(crate) fake: Arc<Fake>,
    pub(crate) service: CloudRunService,
    schedule: Arc<Schedule>,
    asked: u32,
    waiting: Arc<Mutex<BTreeMap<u32, Caller>>>,
    leases: Arc<Mutex<BTreeMap<u32, Lease>>>,
}

/// A caller that waits; its task is known just after it is made.
struct Caller(Option<JoinHandle<()>>);

impl World {
    pub(crate) fn new(service: CloudRunService) -> World {
        let fake = Arc::new(Fake::default());
        let schedule = Arc::new(Schedule::new("service", &service, fake.clone()));
        World { fake, service, schedule, asked: 0, waiting: Arc::default(), leases: Arc::default() }
    }

    /// Does one step, and lets all tasks do what they can.
    pub(crate) async fn step(&mut self, step: Step) {
        match step {
            Step::Warm => {
                let (schedule, fake) = (self.schedule.clone(), self.fake.clone());
                tokio::spawn(async move {
                    fake.note(match schedule.warm().await {
                        Ok(()) => "warm".to_owned(),
                        Err(reason) => format!("cold: {reason}"),
                    });
                });
            }
            Step::Ask => self.ask(),
            Step::Done(caller) => drop(lock(&self.leases).remove(&caller)),
            Step::Leave(caller) => {
                if let Some(Caller(Some(task))) = lock(&self.waiting).remove(&caller) {
                    task.abort();
                }
            }
            Step::Serve(instance) => drop(self.fake.finish_start(instance, Ok(()))),
            Step::Fail(instance) => drop(self.fake.finish_start(instance, Err("no luck".to_owned()))),
            Step::Pass(millis) => tokio::time::advance(Duration::from_millis(millis)).await,
            Step::Lose(instance) => {
                self.fake.lose(instance);
                self.schedule.lost(instance);
            }
            Step::LoseUntold(instance) => self.schedule.lost(instance),
            Step::Shutdown => self.schedule.shutdown(),
        }
        // Each task here needs no more than a few turns; all run on this thread.
        for _ in 0..32 {
            yield_now().await;
        }
    }

    fn ask(&mut self) {
        self.asked += 1;
        let caller = self.asked;
        let (schedule, fake) = (self.schedule.clone(), self.fake.clone());
        let (waiting, leases) = (self.waiting.clone(), self.leases.clone());
        lock(&waiting).insert(caller, Caller(None));
        let task = tokio::spawn(async move {
            let answer = schedule.admit(DEADLINE).await;
            let mut waiting = lock(&waiting);
            waiting.remove(&caller);
            match answer {
                Ok(lease) => {
                    let earlier: Vec<&u32> = waiting.range(..caller).map(|(earlier, _)| earlier).collect();
                    fake.hold(earlier.is_empty(), || format!("{caller} overtook {earlier:?}"));
                    let address = format!("127.0.0.1:{}", lease.source.instance);
                    fake.hold(lease.address.to_string() == address, || {
                        format!("{caller} is at {}", lease.address)
                    });
                    fake.note(format!("{caller} at {}", lease.source));
                    lock(&leases).insert(caller, lease);
                }
                Err(NoInstance::Full) => fake.note(format!("{caller} full")),
                Err(NoInstance::Failed(reason)) => fake.note(format!("{caller} failed: {reason}")),
            }
        });
        if let Some(Caller(known)) = lock(&self.waiting).get_mut(&caller) {
            *known = Some(task);
        }
    }

    /// Those who wait for a place.
    pub(crate) fn waiting(&self) -> Vec<u32> {
        lock(&self.waiting).keys().copied().collect()
    }

    /// How many leases each instance has.
    pub(crate) fn leases(&self) -> BTreeMap<u32, usize> {
        let mut counts = BTreeMap::new();
        for lease in lock(&self.leases).values() {
            *counts.entry(lease.source.instance).or_default() += 1;
        }
        counts
    }

    /// Those who have a lease.
    pub(crate) fn served(&self) -> Vec<u32> {
        lock(&self.leases).keys().copied().collect()
    }

    /// Whether no start and no end is under way.
    pub(crate) async fn is_settled(&self) -> bool {
        tokio::time::timeout(Duration::ZERO, self.schedule.settled()).await.is_ok()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?} wait", self.fake.log(), self.waiting())
    }
}
