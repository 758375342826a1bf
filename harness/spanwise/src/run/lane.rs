//! A lane: a setting's services, started once, and the permutations that they serve side by side.
//!
//! Its end is the services' end: only when they have flushed and are gone is it known what did not come.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use spanwise_drive::Descriptors;
use spanwise_model::{Cpu, InstanceEnd, Observation, Platform};
use spanwise_scenario::{EntryRequest, Permutation, Plan, RequestForm, Setting};
use tokio::sync::mpsc;

use super::complete::{self, Awaited};
use super::drive::News;
use super::evidence::{Driven, LaneEvidence};
use super::fleet::{Hop, chain};
use super::instances::{Instances, from_driver};
use super::observe::{Mark, Strays};
use super::send::{self, Sent};
use super::start::start;
use super::world::World;
use crate::record::Encoded;

/// Permutations that run in one start of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    /// The setting, as an index into the plan's.
    setting: usize,
    /// The suite of the setting.
    suite: String,
    /// The permutations, as indices into the plan's.
    permutations: Vec<usize>,
    /// Whether everything that happens in it belongs to its one permutation.
    pub(super) alone: bool,
    /// Whether its permutation ran before, in a shared lane.
    again: bool,
}

/// What a lane saw.
pub(super) struct LaneReport {
    pub(super) alone: bool,
    /// Whether its permutation ran before, in a shared lane.
    pub(super) again: bool,
    /// The suite that its permutations are of.
    pub(super) suite: String,
    /// One entry for each of its permutations.
    pub(super) seen: Vec<(usize, Seen)>,
    /// What belongs to no permutation of the lane.
    pub(super) strays: Strays,
    /// What is to be written of it, where the run is recorded.
    pub(super) encoded: Option<io::Result<Encoded>>,
}

/// What was seen of one permutation.
pub(super) enum Seen {
    /// It ran.
    Observed(Box<Observation>, Duration),
    /// It did not, for this reason.
    CouldNotRun(String),
}

impl Lane {
    /// The lanes of a plan: one for each setting, and one for each permutation that must run alone.
    pub(super) fn of_plan(plan: &Plan) -> Vec<Lane> {
        let shared = |setting: usize| {
            let all = plan.permutations.iter().enumerate();
            let served = all.filter(|(_, one)| one.setting == setting && !one.exclusive);
            let permutations = served.map(|(at, _)| at).collect();
            let suite = plan.settings[setting].suite.clone();
            Lane { setting, suite, permutations, alone: false, again: false }
        };
        let exclusive = plan.permutations.iter().enumerate().filter(|(_, one)| one.exclusive);
        let alone = exclusive.map(|(at, _)| Lane::alone(plan, at));
        let shared = (0..plan.settings.len()).map(shared).filter(|lane| !lane.permutations.is_empty());
        shared.chain(alone).collect()
    }

    /// A lane for one permutation.
    pub(super) fn alone(plan: &Plan, permutation: usize) -> Lane {
        let Permutation { setting, suite, .. } = &plan.permutations[permutation];
        let (setting, suite) = (*setting, suite.clone());
        Lane { setting, suite, permutations: vec![permutation], alone: true, again: false }
    }

    /// A lane for one permutation that was seen before.
    pub(super) fn again(plan: &Plan, permutation: usize) -> Lane {
        Lane { again: true, ..Lane::alone(plan, permutation) }
    }

    /// The evidence of a lane that came to nothing.
    pub(super) fn could_not_run(&self, reason: &str) -> LaneEvidence {
        let driven = |at: &usize| (*at, Driven::CouldNotRun(reason.to_owned()));
        let driven = self.permutations.iter().map(driven).collect();
        LaneEvidence::nothing(&self.suite, self.alone, self.again, driven)
    }

    /// The evidence of a lane that was not to begin any more.
    fn nothing_seen(&self) -> LaneEvidence {
        LaneEvidence::nothing(&self.suite, self.alone, self.again, Vec::new())
    }

    #[cfg(test)]
    pub(super) fn permutations(&self) -> &[usize] {
        &self.permutations
    }

    /// The services and channels through which the driver enters.
    fn entries(&self, plan: &Plan) -> Vec<Hop> {
        let mut entries = Vec::new();
        for permutation in self.permutations.iter().map(|at| &plan.permutations[*at]) {
            for service in permutation.requests().flat_map(EntryRequest::services) {
                let entry = from_driver(service, permutation.channel_in, permutation.caller);
                if !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
        }
        entries
    }
}

/// Runs a lane from the start of its services to their end.
pub(super) async fn run(
    world: &Arc<World>,
    plan: &Plan,
    lane: Lane,
    news: &mpsc::Sender<News>,
) -> LaneEvidence {
    let mut setting = plan.settings[lane.setting].clone();
    let is_needed = |service: &str| {
        lane.permutations.iter().any(|at| plan.permutations[*at].services.iter().any(|name| name == service))
    };
    setting.services.retain(|service| is_needed(&service.name));
    let entries = lane.entries(plan);
    let instances = match world.unless_stopped(start(world, setting, &entries, news)).await {
        Some(Ok(instances)) => instances,
        Some(Err(reason)) => return lane.could_not_run(&reason),
        None => return lane.nothing_seen(),
    };
    let asked = world.unless_stopped(descriptors(world, plan, &lane, &instances)).await;
    let descriptors = asked.unwrap_or_default();

    let mut running: FuturesUnordered<_> = lane
        .permutations
        .iter()
        .map(|at| async {
            let begun = Instant::now();
            let permutation = &plan.permutations[*at];
            let mut sent = Sent::default();
            let setting = &plan.settings[lane.setting];
            let awaited =
                drive(world, &instances, &descriptors, setting, permutation, lane.alone, &mut sent).await;
            let driven = match awaited {
                Err(reason) if sent.requests.is_empty() => Driven::CouldNotRun(reason),
                Err(reason) => Driven::BrokenOff { reason, sent },
                Ok(awaited) => {
                    let awaited = awaited.iter().map(ToString::to_string).collect();
                    Driven::Sent { sent, awaited, millis: begun.elapsed().as_millis() as u64 }
                }
            };
            (*at, driven)
        })
        .collect();
    let mut driven = Vec::new();
    // What is under way when the run is to end is given up: its answers would tell nothing for certain.
    while let Some(Some(done)) = world.unless_stopped(running.next()).await {
        driven.push(done);
    }
    drop(running);
    let keeps = world.keeps();
    let process = if keeps { instances.events() } else { instances.stop().await };
    for event in instances.failed_later().into_iter().chain(instances.unmatched()) {
        let _ = news.send(News::Event(event)).await;
    }
    let evidence = LaneEvidence {
        suite: lane.suite,
        alone: lane.alone,
        again: lane.again,
        driven,
        exports: instances.store().clone(),
        past: instances.past(),
        taps: instances.taps().clone(),
        logs: instances.all().iter().flat_map(|service| service.logs()).collect(),
        process,
        hidden: instances.hidden(),
        urls: instances.all_urls(),
    };
    let evidence = match keeps || instances.are_shared() {
        true => evidence.apart(),
        false => evidence,
    };
    if keeps {
        // Permutations that run again wait for their turn with the same services.
        instances.end_turn();
        world.keep(instances);
    }
    evidence
}

/// Sends a permutation's requests and waits until what must come of them has come; gives back what had not in time.
async fn drive(
    world: &World,
    instances: &Instances,
    descriptors: &DescriptorsOf,
    setting: &Setting,
    permutation: &Permutation,
    alone: bool,
    sent: &mut Sent,
) -> Result<Vec<Awaited>, String> {
    if let Some(reason) = instances.failure(&permutation.services) {
        return Err(reason);
    }
    send::send(world, instances, descriptors, permutation, sent).await?;
    Ok(match is_proven_by_exit(setting, permutation) && !world.keeps() {
        true => Vec::new(),
        false => {
            let claim = alone.then(Mark::default);
            complete::wait(world, instances, permutation, sent, claim.as_ref()).await
        }
    })
}

/// Whether nothing can come any more that the end of the services does not bring: all flush when they are told to end, have no
/// processor until then, or are external and export nothing. One that is killed without a word, and had a processor all the time, proves nothing by its end.
fn is_proven_by_exit(setting: &Setting, permutation: &Permutation) -> bool {
    let flushes = |service: &String| {
        permutation.settings.service(service).is_some_and(|facts| facts.external || facts.flushes_on_sigterm)
    };
    let on_cloud_run = |service: &String| {
        let start = setting.service(service);
        start.filter(|_| setting.platform == Platform::CloudRun).map(|start| &start.cloud_run)
    };
    permutation.services.iter().all(|service| match on_cloud_run(service) {
        Some(deployed) if deployed.cpu == Cpu::Throttled => true,
        Some(deployed) if deployed.end == InstanceEnd::Killed => false,
        _ => flushes(service),
    })
}

/// What is known of the messages of services, or why nothing is.
pub(super) type DescriptorsOf = HashMap<String, Result<Descriptors, String>>;

/// The descriptors of every gRPC service that the lane's permutations enter at.
async fn descriptors(world: &Arc<World>, plan: &Plan, lane: &Lane, instances: &Instances) -> DescriptorsOf {
    let mut found = HashMap::new();
    for permutation in lane.permutations.iter().map(|at| &plan.permutations[*at]) {
        for request in permutation.requests() {
            let is_grpc = matches!(request.form, RequestForm::Grpc { .. });
            if is_grpc && !found.contains_key(&request.to) {
                let asked = descriptors_of(world, &permutation.suite, &request.to, instances).await;
                found.insert(request.to.clone(), asked);
            }
        }
    }
    found
}

/// What a service's messages are: by the files that its suite names or, asked once a run, by reflection.
pub(super) async fn descriptors_of(
    world: &Arc<World>,
    suite: &str,
    service: &str,
    instances: &Instances,
) -> Result<Descriptors, String> {
    if let Some(compiled) = instances.descriptors(service) {
        return Descriptors::decode(&compiled).map_err(|error| chain(&error));
    }
    if let Some(known) = world.known_descriptors(suite, service).await {
        return Ok(known);
    }
    let instance = instances.ask(world, service).await?;
    world.descriptors(suite, service, instance.address).await.map_err(|error| {
        format!(
            "nothing says what the messages of {service} are: {}; name its files in the suite (`protos: [FILE.proto]`), or let it serve \
             gRPC server reflection",
            chain(&error)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{SuiteText, plan};

    /// Compares whether the end of a service proves what did not come, for each of the suite's platforms.
    #[track_caller]
    fn check(flushes: bool, cloud_run: &str, [plain, on_cloud_run]: [bool; 2]) {
        let text = format!(
            "suite: small\n\
             services:\n  web: {{ command: [web], protocol: http, flushes-on-sigterm: {flushes}, cloud-run: {{ {cloud_run} }} }}\n\
             axes:\n  entry: [http]\n  channel-in: [secure]\n  platform: [plain, cloud-run]\n\
             cases:\n  page:\n    http: {{ to: web, get: / }}\n"
        );
        let planned = plan(&[SuiteText { file: "small.yaml".to_owned(), text }], &[]);
        let plan = planned.expect("a suite without mistakes").plan;
        for permutation in &plan.permutations {
            let setting = &plan.settings[permutation.setting];
            let expected = if setting.platform == Platform::CloudRun { on_cloud_run } else { plain };
            assert_eq!(is_proven_by_exit(setting, permutation), expected, "{flushes}, {cloud_run}");
        }
        assert_eq!(plan.permutations.len(), 2);
    }

    #[test]
    fn only_an_end_that_brings_all_proves_what_did_not_come() {
        check(true, "cpu: always", [true, true]);
        check(false, "cpu: always", [false, false]);
        check(false, "cpu: throttled", [false, true]);
        check(false, "end: killed", [false, true]);
        check(true, "cpu: always, end: killed", [true, false]);
    }
}
