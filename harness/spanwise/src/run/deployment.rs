//! How the services of a lane are deployed to the emulated Cloud Run: their accounts, who may call them, their instances, and
//! what stands before them and beside them. Only lanes of `platform=cloud-run` have one.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use spanwise_cloud_run as cloud_run;
use spanwise_cloud_run::schedule::{Runtime, Schedule};
use spanwise_cloud_run::{Account, Admission, FrontEndPolicy, Identity, PolicyOptions, Sampler, Urls};
use spanwise_drive::Instance;
use spanwise_front::Policy;
use spanwise_model::{CloudRunService, FrontEnd, Source};
use spanwise_scenario::{Caller, Launch, ServiceStart, Setting};

use super::fleet::{Fleet, Hop};

/// Where a suite names no project, services are told this one.
const PROJECT: &str = "spanwise-project";
/// The number of every project; nothing depends on it.
const PROJECT_NUMBER: u64 = 123_456_789_012;
/// How long the driver's tokens are good. A run may take its time.
const DRIVER_TOKEN: Duration = Duration::from_secs(3600);

/// The services of a lane on Cloud Run.
pub(super) struct Deployment {
    identity: Arc<Identity>,
    project: String,
    front_end: FrontEnd,
    services: BTreeMap<String, Deployed>,
}

/// One service on Cloud Run.
struct Deployed {
    admission: Arc<Admission>,
    schedule: Arc<Schedule>,
    sampler: Arc<Sampler>,
    /// Why the first instance that did not start did not.
    failed: Arc<OnceLock<String>>,
}

impl Deployed {
    /// How it is deployed.
    fn service(&self) -> &CloudRunService {
        &self.admission.service
    }
}

impl Deployment {
    /// Deploys the services of a setting; their processes will be those of a fleet that has this deployment. Nothing is started.
    pub(super) fn new(identity: Arc<Identity>, setting: &Setting, fleet: &Weak<Fleet>) -> Deployment {
        let project = setting.project.clone().unwrap_or_else(|| PROJECT.to_owned());
        // A stub stands for what is deployed elsewhere.
        let is_deployed = |start: &&ServiceStart| !matches!(start.start.launch, Launch::Stub(_));
        let services = setting.services.iter().filter(is_deployed).map(|start| {
            let service = start.cloud_run.clone();
            let is_invoker = |other: &&ServiceStart| {
                service.invokers.as_ref().is_none_or(|invokers| invokers.contains(&other.name))
            };
            let invokers = setting.services.iter().filter(is_invoker).map(|other| account(other, &project));
            let invokers = invokers.chain([driver(&project)]).map(|account| account.email).collect();
            let admission = Admission {
                identity: identity.clone(),
                service: service.clone(),
                front_end: setting.front_end.clone(),
                urls: Urls::default(),
                invokers,
            };
            let failed = Arc::<OnceLock<String>>::default();
            let processes = Processes { fleet: fleet.clone(), start: start.clone(), failed: failed.clone() };
            let schedule = Arc::new(Schedule::new(&start.name, &service, Arc::new(processes)));
            let admission = Arc::new(admission);
            let deployed = Deployed { admission, schedule, sampler: Arc::default(), failed };
            (start.name.clone(), deployed)
        });
        let services = services.collect();
        Deployment { identity, project, front_end: setting.front_end.clone(), services }
    }

    /// What the platform does to requests of a hop.
    pub(super) fn policy(&self, hop: &Hop) -> Option<Arc<dyn Policy>> {
        let callee = self.services.get(&hop.to)?;
        let caller = self.services.get(&*hop.from.service);
        let is_internal = caller.map_or(hop.caller == Caller::Vpc, |caller| caller.service().vpc);
        Some(Arc::new(FrontEndPolicy::new(PolicyOptions {
            front_end: self.front_end.clone(),
            service: callee.service().clone(),
            is_internal,
            admit: Some(callee.admission.clone()),
            place: Some(callee.schedule.clone()),
            sampler: callee.sampler.clone(),
        })))
    }

    /// A URL at which a service is called from now on; tokens for it may name it.
    pub(super) fn is_called_at(&self, service: &str, url: String) {
        if let Some(deployed) = self.services.get(service) {
            deployed.admission.urls.add(url);
        }
    }

    /// The URLs at which a service is called.
    pub(super) fn urls(&self, service: &str) -> Vec<String> {
        self.services.get(service).map(|deployed| deployed.admission.urls.all()).unwrap_or_default()
    }

    /// The life cycle of a service's instances.
    pub(super) fn schedule(&self, service: &str) -> Option<&Arc<Schedule>> {
        self.services.get(service).map(|deployed| &deployed.schedule)
    }

    /// The services of which an instance did not start, each with the first reason. Callers were answered 503.
    pub(super) fn failed_starts(&self) -> impl Iterator<Item = (&String, &String)> {
        self.services.iter().filter_map(|(name, deployed)| Some((name, deployed.failed.get()?)))
    }

    /// An ID token of the driver, which may call every service.
    pub(super) fn driver_token(&self, audience: &str) -> String {
        self.identity.id_token(&driver(&self.project), audience, DRIVER_TOKEN)
    }

    /// What an instance is told of itself.
    pub(super) fn instance(&self, start: &ServiceStart, number: u32) -> cloud_run::Instance {
        instance(start, number, &self.project, self.front_end.region.as_deref())
    }

    /// From here on instances are neither started nor frozen; returns when none is being started or ended any more.
    pub(super) async fn shutdown(&self) {
        for deployed in self.services.values() {
            deployed.schedule.shutdown();
        }
        for deployed in self.services.values() {
            deployed.schedule.settled().await;
        }
    }
}

/// The processes of one service, as its schedule has them started and ended.
struct Processes {
    fleet: Weak<Fleet>,
    start: ServiceStart,
    failed: Arc<OnceLock<String>>,
}

impl Processes {
    fn source(&self, instance: u32) -> Source {
        Source::new(&self.start.name, instance)
    }

    /// An instance that got ready, as long as the lane lives.
    fn service(&self, instance: u32) -> Option<Arc<dyn Instance>> {
        self.fleet.upgrade()?.instance(&self.source(instance))
    }
}

impl Runtime for Processes {
    fn start(&self, instance: u32) -> BoxFuture<'_, Result<SocketAddr, String>> {
        Box::pin(async move {
            let fleet = self.fleet.upgrade().ok_or("the lane is over")?;
            let launched = fleet.launch(&self.start, instance).await;
            // Those that follow fail for the same reason, as a rule, and one is enough to be told.
            launched.map(|service| service.addr()).inspect_err(|reason| drop(self.failed.set(reason.clone())))
        })
    }

    fn freeze(&self, instance: u32) {
        if let Some(service) = self.service(instance) {
            service.freeze();
        }
    }

    fn thaw(&self, instance: u32) {
        if let Some(service) = self.service(instance) {
            service.thaw();
        }
    }

    fn end(&self, instance: u32) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(fleet) = self.fleet.upgrade() else { return };
            fleet.end(&self.source(instance)).await;
        })
    }
}

/// What an instance is told of itself where no platform is emulated: a container asks all the same, because an image that was
/// made for Google Cloud cannot export without a token.
pub(super) fn instance_on_plain(
    start: &ServiceStart,
    number: u32,
    project: Option<&str>,
) -> cloud_run::Instance {
    instance(start, number, project.unwrap_or(PROJECT), None)
}

fn instance(start: &ServiceStart, number: u32, project: &str, region: Option<&str>) -> cloud_run::Instance {
    cloud_run::Instance {
        project: project.to_owned(),
        project_number: PROJECT_NUMBER,
        region: region.unwrap_or(FrontEnd::REGION).to_owned(),
        id: instance_id(&start.name, number),
        account: account(start, project),
        token_lifetime: Duration::from_secs(start.cloud_run.token_lifetime_s),
    }
}

/// The account that a service runs as.
fn account(start: &ServiceStart, project: &str) -> Account {
    let named = start.cloud_run.service_account.clone();
    named.map_or_else(|| own_account(&start.name, project), Account::new)
}

/// The driver's account.
fn driver(project: &str) -> Account {
    own_account(Source::DRIVER, project)
}

/// The account that is called as who runs as it.
fn own_account(name: &str, project: &str) -> Account {
    Account::new(format!("{name}@{project}.iam.gserviceaccount.com"))
}

/// The id of an instance, which on Cloud Run is long, and no number. The same in every run.
fn instance_id(service: &str, number: u32) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, service, number).hash(&mut hasher);
        hasher.finish()
    };
    format!("00{:016x}{:016x}", half(0), half(1))
}
