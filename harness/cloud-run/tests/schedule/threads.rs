//! Callers on several threads, some of which go away at any moment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use spanwise_cloud_run::schedule::{NoInstance, Runtime, Schedule};
use spanwise_model::CloudRunService;
use tokio::task::yield_now;

use crate::fake::{Fake, Is, lock};

/// Callers, each of whom calls so often, one call behind the other.
const CALLERS: u64 = 6;
const CALLS: u64 = 300;
const LONG: Duration = Duration::from_secs(60);

/// Starts after a few turns; every seventh start fails.
struct Prompt(Fake);

impl Runtime for Prompt {
    fn start(&self, instance: u32) -> BoxFuture<'_, Result<SocketAddr, String>> {
        let started = self.0.start(instance);
        Box::pin(async move {
            turns(u64::from(instance) % 5).await;
            let result = if instance.is_multiple_of(7) { Err("every seventh".to_owned()) } else { Ok(()) };
            self.0.finish_start(instance, result);
            started.await
        })
    }

    fn freeze(&self, instance: u32) {
        self.0.freeze(instance);
    }

    fn thaw(&self, instance: u32) {
        self.0.thaw(instance);
    }

    fn end(&self, instance: u32) -> BoxFuture<'_, ()> {
        self.0.end(instance)
    }
}

async fn turns(count: u64) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Numbers without a pattern (splitmix64).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

/// An exchange after the other; each gets a place or goes away, and shares an instance that runs with as many as may.
struct Caller {
    schedule: Arc<Schedule>,
    runtime: Arc<Prompt>,
    /// How many exchanges are at each instance.
    at: Arc<Mutex<BTreeMap<u32, usize>>>,
    places: usize,
    most: usize,
}

impl Caller {
    async fn call(&self, number: u64) {
        let (fake, chance) = (&self.runtime.0, scattered(number));
        turns(chance % 3).await;
        let admitted = self.schedule.admit(LONG);
        let answer = match number.is_multiple_of(4) {
            // Does not wait for long.
            true => tokio::select! { answer = admitted => answer, () = turns(chance % 11) => return },
            false => admitted.await,
        };
        let lease = match answer {
            Ok(lease) => lease,
            Err(NoInstance::Failed(_)) => return,
            Err(NoInstance::Full) => return fake.hold(false, || format!("{number} was forgotten")),
        };
        let instance = lease.source.instance;
        let runs = || {
            let is = fake.instances()[&instance];
            fake.hold(is == Is::Running, || format!("{number} is at {instance}, which is {is:?}"));
        };
        self.enter(instance);
        runs();
        turns(chance % 5).await;
        runs();
        self.leave(instance);
        drop(lease);
    }

    fn enter(&self, instance: u32) {
        let mut at = lock(&self.at);
        *at.entry(instance).or_default() += 1;
        let is_well = at[&instance] <= self.places && at.len() <= self.most;
        self.runtime.0.hold(is_well, || format!("too many: {at:?}"));
    }

    fn leave(&self, instance: u32) {
        let mut at = lock(&self.at);
        *at.entry(instance).or_default() -= 1;
        at.retain(|_, count| *count > 0);
    }
}

/// Runs all callers to their end; how often the runtime was asked for something.
async fn check(service: CloudRunService) -> usize {
    let runtime = Arc::new(Prompt(Fake::default()));
    let schedule = Arc::new(Schedule::new("service", &service, runtime.clone()));
    let at = Arc::default();
    let callers = (0..CALLERS).map(|number| {
        let caller = Caller {
            schedule: schedule.clone(),
            runtime: runtime.clone(),
            at: Arc::clone(&at),
            places: service.concurrency as usize,
            most: service.max_instances as usize,
        };
        tokio::spawn(async move {
            for call in number * CALLS..(number + 1) * CALLS {
                caller.call(call).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no panic");
    }
    schedule.shutdown();
    schedule.settled().await;
    assert_eq!(runtime.0.wrong(), Vec::<String>::new());
    runtime.0.log().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_on_many_threads_are_all_answered() {
    let mut asked = Vec::new();
    for (concurrency, min_instances, max_instances, idle_ms) in
        [(1, 0, 1, 0), (1, 0, 3, 0), (2, 1, 3, 0), (3, 0, 2, 1), (1, 0, 4, 1)]
    {
        let bounds =
            CloudRunService { concurrency, min_instances, max_instances, idle_ms, ..Default::default() };
        asked.push(check(bounds).await);
    }
    // Otherwise little was put to the test.
    assert!(asked.iter().sum::<usize>() > 500, "{asked:?}");
}
