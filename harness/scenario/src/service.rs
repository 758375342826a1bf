//! The services of a suite, its stubs among them: what is known of each, and which others it refers to. Read from the keys
//! `services` and `stubs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use spanwise_model::{Auth, CloudRunService, Platform, ServiceFacts, ServiceProtocol, Source, StubResponse};

use crate::axes::{Axis, on_cloud_run};
use crate::axis::Choice;
use crate::cloud_run::cloud_run_service;
use crate::collector::{self, Collector};
use crate::environment::{Environment, configured, trust_in_java};
use crate::error::{File, SuiteError};
use crate::format::SuiteFile;
use crate::launch::{self, Launch, Start};
use crate::names::Names;
use crate::protos;
use crate::spanned::Spanned;
use crate::stub;
use crate::template::{RESERVED, Reference, Template};
use crate::yaml::{AsText, Entries, Scalar};
use crate::{Known, ServiceYaml, running};

/// A service to start in a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStart {
    /// Its name in the suite.
    pub name: String,
    /// How it comes to serve.
    pub start: Start,
    /// What is added to its environment; empty where nothing can be.
    pub env: Environment,
    /// Where it exports to.
    pub collector: Collector,
    /// An encoded `google.protobuf.FileDescriptorSet` of the `.proto` files that the suite names for it; `None` where it says by
    /// itself, by server reflection, what its messages mean.
    pub descriptors: Option<Arc<[u8]>>,
    /// How it is deployed where the setting's platform is Cloud Run.
    pub cloud_run: CloudRunService,
    /// What is declared of it, for the rules.
    pub facts: ServiceFacts,
}

/// A service as the suite has it, before any axis.
pub(crate) struct Service<'f> {
    pub(crate) name: &'f str,
    pub(crate) start: Start,
    env: Environment,
    collector: Collector,
    descriptors: Option<Arc<[u8]>>,
    cloud_run: CloudRunService,
    /// Whether a virtual machine must be told of the run's certificate authority.
    on_java: bool,
    /// What no axis changes of it.
    pub(crate) facts: ServiceFacts,
    /// The file that it is deployed with, where the run is told.
    pub(crate) deployed: Option<&'f ServiceYaml>,
}

/// What a case changes of its services' environments: service and variables.
pub(crate) type Overrides = Vec<(String, Environment)>;

impl Service<'_> {
    /// Whether it runs in a container.
    pub(crate) fn is_container(&self) -> bool {
        self.start.launch.is_container()
    }

    /// The services that it refers to in a case.
    pub(crate) fn references(&self, overrides: &Overrides) -> Vec<Reference> {
        let changed = overrides.iter().find(|(service, _)| service == self.name).map(|(_, env)| env);
        let kept = self.env.iter().filter(|(name, _)| !changed.is_some_and(|env| env.contains_key(*name)));
        let env = kept.chain(changed.into_iter().flatten()).map(|(_, template)| template);
        env.chain(self.start.launch.words()).flat_map(Template::references).cloned().collect()
    }

    /// How it is started on top of what the axes give.
    pub(crate) fn start(&self, axes: Environment, choice: &Choice, overrides: &Overrides) -> ServiceStart {
        let mut env = axes;
        env.extend(self.env.clone());
        env.extend(choice.env.iter().map(|(name, value)| (name.clone(), Template::text(value))));
        for (_, changed) in overrides.iter().filter(|(service, _)| service == self.name) {
            env.extend(changed.clone());
        }
        if self.on_java {
            trust_in_java(&mut env);
        }
        let on_cloud_run = choice.platform == Platform::CloudRun;
        // A container asks for its tokens on every platform.
        if !on_cloud_run && !self.is_container() {
            env.retain(|_, value| !value.references().any(|one| *one == Reference::MetadataHost));
        }
        // What runs already is declared to be configured as the axes say.
        let (propagation, baggage) = configured(&env);
        if !self.start.launch.takes_environment() {
            env.clear();
        }
        let facts = ServiceFacts {
            propagation,
            baggage,
            auth_required: on_cloud_run && self.cloud_run.auth == Auth::Required,
            audiences: if on_cloud_run { self.cloud_run.audiences.clone() } else { Vec::new() },
            ..self.facts.clone()
        };
        ServiceStart {
            name: self.name.to_owned(),
            start: self.start.clone(),
            env,
            collector: self.collector.clone(),
            descriptors: self.descriptors.clone(),
            cloud_run: self.cloud_run.clone(),
            facts,
        }
    }
}

/// Reads the services, in the order of the file, and the stubs after them.
pub(crate) fn services<'f>(
    file: File<'_>,
    suite: &'f SuiteFile,
    axes: &[Axis],
    known: &Known<'f>,
) -> Result<Vec<Service<'f>>, SuiteError> {
    let names: Vec<&str> = suite.services.keys().chain(suite.stubs.keys()).collect();
    let mut services = Vec::new();
    for (name, service) in suite.services.iter() {
        service_name(file, name)?;
        let names = Names { file, services: &names, each: &[], user: None, steps: &[], metadata: false };
        let start = launch::start(name, service, known, &names)?;
        let is_container = start.launch.is_container();
        let deployed = known.deployed.iter().find(|deployed| deployed.name() == name.value);
        services.push(Service {
            name: &name.value,
            start,
            env: variables(&service.env, &Names { metadata: on_cloud_run(axes) || is_container, ..names })?,
            collector: collector::of_service(file, service.collector.as_ref().map(|written| &written.value))?,
            descriptors: protos::descriptors(file, service, known)?,
            cloud_run: cloud_run_service(file, suite, service, axes, deployed)?,
            on_java: service.java_trust_store.as_ref().is_some_and(|written| written.value),
            facts: ServiceFacts {
                flushes_on_sigterm: service.flushes_on_sigterm.as_ref().is_some_and(|flushes| flushes.value),
                untraced: service.untraced.clone(),
                declares_route: service.sets_http_route,
                external: service.external,
                ..facts(&name.value, service.protocol)
            },
            deployed,
        });
    }
    for (name, responses) in suite.stubs.iter() {
        service_name(file, name)?;
        if suite.services.get(&name.value).is_some() {
            let message = format!("`{}` is the name of a service already", name.value);
            return Err(file.error(name.referenced, message));
        }
        services.push(stub(&name.value, stub::responses(file, name, responses)?));
    }
    running::check(file, suite, axes)?;
    no_cycle(file, suite, &services)?;
    Ok(services)
}

/// Refuses a name that no service, and no stub, can have.
fn service_name(file: File<'_>, name: &Spanned<String>) -> Result<(), SuiteError> {
    crate::name::component(file, name, "service name")?;
    if [Source::DRIVER, Source::FRONT_END].iter().chain(&RESERVED).any(|word| name.value == *word) {
        let message =
            format!("a service cannot be called `{}`: the word has a meaning of its own", name.value);
        return Err(file.error(name.referenced, message));
    }
    Ok(())
}

/// A stub stands for somebody else's service.
fn stub(name: &str, responses: Vec<StubResponse>) -> Service<'_> {
    Service {
        name,
        start: Start::of(Launch::Stub(responses)),
        env: Environment::new(),
        collector: Collector::default(),
        descriptors: None,
        cloud_run: CloudRunService::default(),
        on_java: false,
        facts: ServiceFacts { external: true, ..facts(name, ServiceProtocol::Http) },
        deployed: None,
    }
}

/// A service of which nothing is declared.
fn facts(name: &str, protocol: ServiceProtocol) -> ServiceFacts {
    ServiceFacts {
        name: name.to_owned(),
        protocol,
        propagation: Vec::new(),
        baggage: false,
        flushes_on_sigterm: false,
        untraced: Vec::new(),
        declares_route: false,
        auth_required: false,
        audiences: Vec::new(),
        external: false,
    }
}

/// Reads a mapping of environment variables.
pub(crate) fn variables(
    entries: &Entries<Spanned<Scalar>>,
    names: &Names<'_>,
) -> Result<Environment, SuiteError> {
    let read = |(name, value): (&Spanned<String>, &Spanned<Scalar>)| {
        variable_name(names.file, name)?;
        Ok((name.value.clone(), names.template(&value.written(names.file))?))
    };
    entries.iter().map(read).collect()
}

/// Refuses what no environment can hold.
pub(crate) fn variable_name(file: File<'_>, name: &Spanned<String>) -> Result<(), SuiteError> {
    if name.value.is_empty() || name.value.contains(['=', '\0']) {
        let message = format!("{:?} cannot be the name of an environment variable", name.value);
        return Err(file.error(name.referenced, message));
    }
    Ok(())
}

/// The services that must run for an entry service to serve, callees first.
pub(crate) fn needed(services: &[Service<'_>], entry: &str, overrides: &Overrides) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open: Vec<String> = vec![entry.to_owned()];
    while let Some(name) = open.pop() {
        let Some(at) = services.iter().position(|service| service.name == name) else { continue };
        if found.insert(at) {
            open.extend(services[at].references(overrides).into_iter().filter_map(called));
        }
    }
    found
}

/// Orders services so that each comes after those it refers to; the file's order otherwise.
pub(crate) fn start_order(
    services: &[Service<'_>],
    needed: &BTreeSet<usize>,
    overrides: &Overrides,
) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < needed.len() {
        let next = needed.iter().copied().find(|at| {
            let calls = services[*at].references(overrides).into_iter().filter_map(called);
            let mut indices = calls.filter_map(|name| services.iter().position(|s| s.name == name));
            !order.contains(at) && indices.all(|callee| order.contains(&callee) || !needed.contains(&callee))
        });
        // A case's overrides may close a circle; addresses are known before any start, so it can be started all the same.
        let next = next.or_else(|| needed.iter().copied().find(|at| !order.contains(at)));
        order.extend(next);
    }
    order
}

fn called(reference: Reference) -> Option<String> {
    match reference {
        Reference::ServiceUrl(name) => Some(name),
        _ => None,
    }
}

/// Refuses services that refer to each other in a circle: there would be no order to start them in.
fn no_cycle(file: File<'_>, suite: &SuiteFile, services: &[Service<'_>]) -> Result<(), SuiteError> {
    for (name, _) in suite.services.iter() {
        let mut path = vec![name.value.clone()];
        if way_back(services, &mut path, &mut BTreeSet::new()) {
            let message = format!("the services refer to each other in a circle: {}", path.join(" -> "));
            return Err(file.error(name.referenced, message));
        }
    }
    Ok(())
}

/// Extends `path` to a way back to its first service, if there is one.
fn way_back(services: &[Service<'_>], path: &mut Vec<String>, seen: &mut BTreeSet<String>) -> bool {
    let last = path.last().cloned().unwrap_or_default();
    let Some(service) = services.iter().find(|service| service.name == last) else { return false };
    for callee in service.references(&Overrides::new()).into_iter().filter_map(called) {
        path.push(callee.clone());
        if callee == path[0] || (seen.insert(callee) && way_back(services, path, seen)) {
            return true;
        }
        path.pop();
    }
    false
}
