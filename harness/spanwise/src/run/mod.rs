//! The run loop: the one place that sees every stage.
//!
//! A plan is cut into *lanes*: a setting's services, started once, and the permutations that they serve side by side
//! (`lane`). A lane leaves evidence, which may be written down and read back (`evidence`, `replay`), and that gives one
//! observation a permutation (`observe`). Where a shared lane leaves strays, exactly the
//! permutations that miss something run again, alone (`attribution`). Then the rules speak, of each observation and of
//! each group that must agree (`judge`). Reporters hear of it all as events.

mod aside;
mod attribution;
mod call;
mod command;
mod complete;
#[cfg(feature = "containers")]
mod container;
mod context;
mod deployment;
mod drive;
mod evidence;
mod fixed;
#[cfg(test)]
mod fixture;
mod fleet;
mod google;
mod in_process;
mod instances;
mod judge;
mod kept;
mod lane;
mod launch;
mod observe;
mod promised;
mod repeat;
mod replay;
mod rounds;
mod send;
mod session;
mod start;
mod turns;
mod unlinked;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use spanwise_check::{NameTaken, Profile, Rule};
use spanwise_model::{Part, PermutationResult, RunEvent, Summary};
use spanwise_scenario::Plan;
use tokio::sync::mpsc;

use crate::ratchet::Ratchet;
use crate::record::Recorder;
use aside::aside;
use attribution::{Attribution, Settled};
use drive::{News, drive};
pub(crate) use evidence::{Driven, LaneEvidence};
pub(crate) use fleet::chain;
pub use in_process::{Environment, Stop};
pub(crate) use in_process::{Program, Programs};
use judge::Judge;
pub(crate) use judge::{engine, failing, traces};
pub use kept::{Address, Kept, starts};
use lane::{Lane, LaneReport};
pub(crate) use launch::callees;
pub use repeat::RepeatCommand;
pub use replay::{Replayed, replay};
pub use rounds::run_rounds;
pub(crate) use session::{Exchange, NotStarted, Seen, Session, nowhere};
use world::{KeptInstances, World};

/// How to run a plan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which rules, and what fails, in suites of which `suite_profiles` says nothing.
    pub profile: Profile,
    /// The profiles of single suites, by name.
    pub suite_profiles: BTreeMap<String, Profile>,
    /// Rules of the user's own, which run after the catalogue; their names must be theirs alone. Suites name them in `levels`
    /// and known failures if the plan was made with [`crate::plan::More::rules`].
    pub rules: Vec<&'static Rule>,
    /// The findings that are let pass because they were there before.
    pub ratchet: Option<Arc<Ratchet>>,
    /// Where to write down what is seen: for one run, and whoever made it asks it afterwards what could not be written.
    pub record: Option<Recorder>,
    /// How many settings' services run at once.
    pub lanes: usize,
    /// How many requests are under way at once, over all lanes.
    pub requests: usize,
    /// How long spans that are expected may take to come, from services that do not flush when they are ended.
    pub deadline: Duration,
    /// How long a request may take to be answered. A service that is stuck is another trouble than spans that do not come, and
    /// a machine that is busy is none.
    pub answer_within: Duration,
    /// How long a service may take to end after SIGTERM before it is killed.
    pub grace: Duration,
    /// Whether the first permutation that fails ends the run. Where something is known to fail, that is certain only when all have
    /// come that it must agree with.
    pub fail_fast: bool,
    /// Whether results of permutations that fail hold what the services wrote about them.
    pub logs: bool,
    /// Which part of what was selected the plan is, for reports that are put together later.
    pub part: Option<Part>,
    /// Makes the command that results show as the one that runs them again; without it they show none.
    pub command: Option<RepeatCommand>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            profile: Profile::CloudRun,
            suite_profiles: BTreeMap::new(),
            rules: Vec::new(),
            ratchet: None,
            record: None,
            lanes: 8,
            requests: 64,
            deadline: Duration::from_secs(10),
            answer_within: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            fail_fast: false,
            logs: false,
            part: None,
            command: None,
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
    /// A rule of [`Options::rules`] has the name of another.
    #[error(transparent)]
    Rules(#[from] NameTaken),
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
    on_event: impl FnMut(&RunEvent),
) -> Result<Summary, RunError> {
    run_until(plan, options, std::future::pending(), on_event).await
}

/// Runs a plan as [`run()`] does, but breaks off when `stop` resolves, or when a permutation fails under
/// [`Options::fail_fast`]: it starts nothing more, ends every service as it would anyway, and tells what is known by then.
/// Permutations that were not observed are not told of, nothing is compared in groups that are not complete, and there is no
/// [`RunEvent::Ended`] unless all were.
pub async fn run_until(
    plan: Arc<Plan>,
    options: Options,
    stop: impl Future<Output = ()>,
    on_event: impl FnMut(&RunEvent),
) -> Result<Summary, RunError> {
    run_in(World::new(options.clone(), Weak::new()), plan, options, stop, on_event).await
}

/// Runs a plan as [`run_until`] does, but leaves the services of its first start up, for somebody to look at. They are not
/// judged by their end, so what comes with it is waited for until the deadline. What is kept is nothing where the run was
/// broken off.
pub async fn run_and_keep(
    plan: Arc<Plan>,
    options: Options,
    stop: impl Future<Output = ()>,
    on_event: impl FnMut(&RunEvent),
) -> Result<(Summary, Option<Kept>), RunError> {
    let kept = Arc::new(KeptInstances::default());
    let world = World::new(options.clone(), Arc::downgrade(&kept));
    let summary = run_in(world, plan, options, stop, on_event).await?;
    let instances = kept.lock().map_or(None, |mut kept| kept.take());
    Ok((summary, instances.map(Kept::new)))
}

async fn run_in(
    world: impl Future<Output = Result<World, RunError>>,
    plan: Arc<Plan>,
    options: Options,
    stop: impl Future<Output = ()>,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Summary, RunError> {
    let begun = Instant::now();
    let judge = Judge::new(plan.clone(), options.clone())?;
    let mut run = Run {
        judge,
        plan,
        recorder: options.record.clone(),
        attribution: Attribution::default(),
        summary: Summary::default(),
        has_failed: false,
        on_event: &mut on_event,
    };
    run.begin(&options);
    let world = Arc::new(world.await?);
    {
        let mut lanes = std::pin::pin!(run.lanes(&world));
        tokio::select! {
            () = &mut lanes => {}
            () = stop => {
                world.stop();
                lanes.await;
            }
        }
    }
    let is_broken_off = world.is_stopped() && !run.judge.is_complete();
    let duration_ms = begun.elapsed().as_millis() as u64;
    Ok(run.end((!is_broken_off).then_some(duration_ms)))
}

/// A run between its first event and its last.
struct Run<'r> {
    plan: Arc<Plan>,
    recorder: Option<Recorder>,
    attribution: Attribution,
    judge: Judge,
    summary: Summary,
    /// Whether one of the permutations that ended fails the run.
    has_failed: bool,
    on_event: &'r mut dyn FnMut(&RunEvent),
}

impl Run<'_> {
    /// Tells that it begins; `options` are those of the run that is recorded.
    fn begin(&mut self, options: &Options) {
        let (suites, permutations) = (self.plan.suites.clone(), self.plan.permutations.len());
        if let Some(recorder) = &self.recorder {
            recorder.begin(&self.plan, options);
        }
        self.event(&RunEvent::Started { suites, permutations, part: options.part.clone() });
    }

    /// Runs all lanes, then those of the permutations that run again.
    async fn lanes(&mut self, world: &Arc<World>) {
        self.all(world, Lane::of_plan(&self.plan)).await;
        let again = self.attribution.again();
        self.all(world, again).await;
    }

    async fn all(&mut self, world: &Arc<World>, lanes: Vec<Lane>) {
        let mut reports = start(world, &self.plan, lanes);
        while let Some(report) = self.next(&mut reports).await {
            self.settle(report);
            if world.options.fail_fast && self.has_failed {
                world.stop();
            }
        }
    }

    /// The next report of a lane; events on the way are passed on.
    async fn next(&mut self, news: &mut mpsc::Receiver<News>) -> Option<LaneReport> {
        loop {
            match news.recv().await? {
                News::Event(event) => self.event(&event),
                News::Report(report) => return Some(*report),
            }
        }
    }

    /// Takes what a lane saw, and tells what is settled by it.
    fn settle(&mut self, mut report: LaneReport) {
        if let (Some(recorder), Some(encoded)) = (&self.recorder, report.encoded.take()) {
            recorder.lane(encoded);
        }
        let settled = match report.again {
            true => self.attribution.settle_again(report),
            false => {
                self.event(&RunEvent::Observed { permutations: report.seen.len() });
                self.attribution.settle(&self.plan, report)
            }
        };
        self.tell(settled);
    }

    /// Tells what is left when no more lane is heard of: all of it after `duration_ms`, or what is known where the run was
    /// broken off.
    fn end(mut self, duration_ms: Option<u64>) -> Summary {
        let Some(duration_ms) = duration_ms else {
            let settled = self.attribution.settle_rest();
            self.tell(settled);
            let rest = self.judge.incomplete();
            self.finished(rest);
            return self.summary;
        };
        // Only a recording of another version leaves any: one that would have let others run again.
        let settled = self.attribution.settle_rest();
        self.tell(settled);
        let lost = self.judge.missing("the harness failed: nothing was heard of it");
        self.tell(lost);
        let (strays, strays_fail) =
            self.judge.strays(std::mem::take(&mut self.attribution).into_unattributed());
        let summary = self.summary;
        self.event(&RunEvent::Ended { strays, strays_fail, summary, duration_ms });
        summary
    }

    fn event(&mut self, event: &RunEvent) {
        if let Some(recorder) = &self.recorder {
            recorder.event(event);
        }
        (self.on_event)(event);
    }

    /// Judges observations and tells what is settled by them.
    fn tell(&mut self, settled: Vec<Settled>) {
        let results = aside(|| self.judge.take(settled));
        let found = self.judge.found();
        self.has_failed |= !found.is_empty();
        found.iter().for_each(|event| self.event(event));
        self.finished(results);
    }

    fn finished(&mut self, results: Vec<PermutationResult>) {
        for result in results {
            self.summary.add(result.outcome);
            self.has_failed |= result.fails();
            self.event(&RunEvent::Finished(Box::new(result)));
        }
    }
}

fn start(world: &Arc<World>, plan: &Arc<Plan>, lanes: Vec<Lane>) -> mpsc::Receiver<News> {
    let (world, plan, most) = (world.clone(), plan.clone(), world.options.lanes);
    let (recorder, planned) = (world.options.record.clone(), plan.clone());
    let run = move |lane, news| {
        let (world, plan) = (world.clone(), plan.clone());
        async move { lane::run(&world, &plan, lane, &news).await }
    };
    drive(lanes, most, run, move |evidence| report(recorder.as_ref(), &planned, evidence))
}

/// What a lane saw, and what will be written of it.
fn report(recorder: Option<&Recorder>, plan: &Plan, evidence: &LaneEvidence) -> LaneReport {
    let encoded = recorder.map(|recorder| recorder.encode(evidence));
    LaneReport { encoded, ..evidence.report(plan) }
}
