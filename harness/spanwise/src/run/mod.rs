//! The run loop: the one place that sees every stage.
//!
//! A plan is cut into *lanes*: a setting's services, started once, and the permutations that they serve side by side
//! (`lane`). A lane gives one observation a permutation (`observe`). Where a shared lane leaves strays, exactly the
//! permutations that miss something run again, alone (`attribution`). Then the rules speak, of each observation and of
//! each group that must agree (`judge`). Reporters hear of it all as events.

mod attribution;
mod complete;
mod context;
mod instances;
mod judge;
mod lane;
mod observe;
mod send;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanwise_check::Profile;
use spanwise_model::{PermutationResult, RunEvent, Summary};
use spanwise_scenario::Plan;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use attribution::Attribution;
use judge::Judge;
pub(crate) use judge::traces;
use lane::{Lane, LaneReport};
use world::World;

/// How to run a plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which rules, and what fails, in suites of which `suite_profiles` says nothing.
    pub profile: Profile,
    /// The profiles of single suites, by name.
    pub suite_profiles: BTreeMap<String, Profile>,
    /// How many settings' services run at once.
    pub lanes: usize,
    /// How many requests are under way at once, over all lanes.
    pub requests: usize,
    /// How long spans that are expected may take to come, from services that do not flush when they are ended.
    pub deadline: Duration,
    /// How long a service may take to end after SIGTERM before it is killed.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            profile: Profile::CloudRun,
            suite_profiles: BTreeMap::new(),
            lanes: 4,
            requests: 64,
            deadline: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

impl Options {
    /// The profile under which a suite's permutations are judged.
    pub fn profile_of(&self, suite: &str) -> Profile {
        self.suite_profiles.get(suite).copied().unwrap_or(self.profile)
    }
}

/// Why a run could not begin. What goes wrong later concerns single permutations, which then could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Services could not be started or requests not be made at all.
    #[error("the driver cannot work")]
    Drive(#[from] spanwise_drive::DriveError),
    /// Certificates or loopback listeners could not be made.
    #[error("the fronts cannot work")]
    Front(#[from] spanwise_front::FrontError),
    /// Files or sockets of the run could not be made.
    #[error("the run cannot be set up")]
    Io(#[from] std::io::Error),
}

/// Runs a plan and tells `on_event` what happens, as it happens; the last event is [`RunEvent::Ended`].
///
/// Dropping the future ends every service that it started.
pub async fn run(
    plan: Arc<Plan>,
    options: Options,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Summary, RunError> {
    let begun = Instant::now();
    on_event(&RunEvent::Started { suites: plan.suites.clone(), permutations: plan.permutations.len() });
    let world = Arc::new(World::new(options.clone()).await?);
    let mut attribution = Attribution::default();
    let mut judge = Judge::new(plan.clone(), options.clone());
    let mut summary = Summary::default();
    let mut tell = |results: Vec<PermutationResult>, on_event: &mut dyn FnMut(&RunEvent)| {
        for result in results {
            summary.add(result.outcome);
            on_event(&RunEvent::Finished(Box::new(result)));
        }
    };

    let lanes = Lane::of_plan(&plan);
    let mut reports = drive(&world, &plan, lanes, &options);
    while let Some(news) = reports.recv().await {
        match news {
            News::Event(event) => on_event(&event),
            News::Report(report) => {
                let settled = attribution.settle(&plan, *report);
                tell(judge.take(settled), &mut on_event);
            }
        }
    }
    let mut reports = drive(&world, &plan, attribution.again(), &options);
    while let Some(news) = reports.recv().await {
        match news {
            News::Event(event) => on_event(&event),
            News::Report(report) => {
                let settled = attribution.settle_again(*report);
                tell(judge.take(settled), &mut on_event);
            }
        }
    }
    let strays = judge.strays(attribution.into_strays());
    let duration_ms = begun.elapsed().as_millis() as u64;
    on_event(&RunEvent::Ended { strays, summary, duration_ms });
    Ok(summary)
}

/// What lanes tell the run loop.
enum News {
    Event(RunEvent),
    Report(Box<LaneReport>),
}

/// Runs lanes, a few at once, each as a task of its own. Dropping the receiver ends them and their services.
fn drive(world: &Arc<World>, plan: &Arc<Plan>, lanes: Vec<Lane>, options: &Options) -> mpsc::Receiver<News> {
    let (news, receiver) = mpsc::channel(64);
    let (world, plan, most) = (world.clone(), plan.clone(), options.lanes.max(1));
    let all = async move {
        let mut lanes = lanes.into_iter();
        let mut running = JoinSet::new();
        loop {
            while running.len() < most
                && let Some(lane) = lanes.next()
            {
                let (world, plan, news) = (world.clone(), plan.clone(), news.clone());
                running.spawn(async move {
                    let report = lane::run(&world, &plan, lane, &news).await;
                    let _ = news.send(News::Report(Box::new(report))).await;
                });
            }
            tokio::select! {
                ended = running.join_next() => if ended.is_none() { break },
                // Nobody listens any more: the run was dropped, and the tasks go with `running`.
                () = news.closed() => break,
            }
        }
    };
    tokio::spawn(all);
    receiver
}
