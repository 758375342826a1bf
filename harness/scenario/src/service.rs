//! The services of a suite: how each is started and which others it refers to. Read from the key `services`.

use std::collections::BTreeSet;

use spanwise_model::{Auth, CloudRunService, GrpcCode, Platform, ServiceFacts, Source};

use crate::axes::{Axis, on_cloud_run};
use crate::axis::Choice;
use crate::cloud_run::cloud_run_service;
use crate::container::{Container, container};
use crate::environment::{Environment, configured};
use crate::error::{File, SuiteError};
use crate::format::{CollectorFile, ServiceFile, SuiteFile};
use crate::template::{Names, RESERVED, Reference, Template};
use crate::yaml::{AsText, Entries, Scalar};
use crate::{Known, Persona, Ready, ServiceYaml};

/// How a service is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Launch {
    /// A demo service, by the name under which the program starts it as a child of itself.
    Demo(String),
    /// A program and its arguments.
    Command(Vec<Template>),
    /// A container.
    Container(Container),
}

impl Launch {
    /// The words in which references may be.
    pub fn words(&self) -> &[Template] {
        match self {
            Launch::Command(words) => words,
            Launch::Container(container) => &container.args,
            Launch::Demo(_) => &[],
        }
    }

    /// Whether it runs in a container, where Google's names lead to the run.
    pub fn is_container(&self) -> bool {
        matches!(self, Launch::Container(_))
    }
}

/// What a service meets where it exports to; the default takes everything that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collector {
    /// Whom it stands for.
    pub persona: Persona,
    /// Whether it refuses what Google would refuse, where it stands for Google; else it only notes it down.
    pub refuse: bool,
    /// The code with which it refuses the first export request, whatever is in it.
    pub refuse_first: Option<GrpcCode>,
}

/// A service to start in a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceStart {
    /// Its name in the suite.
    pub name: String,
    /// How it is started.
    pub launch: Launch,
    /// How it says that it serves.
    pub ready: Ready,
    /// What is added to its environment.
    pub env: Environment,
    /// Where it exports to.
    pub collector: Collector,
    /// How it is deployed where the setting's platform is Cloud Run.
    pub cloud_run: CloudRunService,
    /// What is declared of it, for the rules.
    pub facts: ServiceFacts,
}

/// A service as the suite has it, before any axis.
pub(crate) struct Service<'f> {
    pub(crate) name: &'f str,
    pub(crate) file: &'f ServiceFile,
    launch: Launch,
    ready: Ready,
    env: Environment,
    collector: Collector,
    cloud_run: CloudRunService,
    /// The file that it is deployed with, where the run is told.
    pub(crate) deployed: Option<&'f ServiceYaml>,
}

/// What a case changes of its services' environments: service and variables.
pub(crate) type Overrides = Vec<(String, Environment)>;

impl Service<'_> {
    /// Whether it runs in a container.
    pub(crate) fn is_container(&self) -> bool {
        self.launch.is_container()
    }

    /// The services that it refers to in a case.
    pub(crate) fn references(&self, overrides: &Overrides) -> Vec<Reference> {
        let changed = overrides.iter().find(|(service, _)| service == self.name).map(|(_, env)| env);
        let kept = self.env.iter().filter(|(name, _)| !changed.is_some_and(|env| env.contains_key(*name)));
        let command = self.launch.words();
        let env = kept.chain(changed.into_iter().flatten()).map(|(_, template)| template);
        env.chain(command).flat_map(Template::references).cloned().collect()
    }

    /// How it is started on top of what the axes give.
    pub(crate) fn start(&self, axes: Environment, choice: &Choice, overrides: &Overrides) -> ServiceStart {
        let mut env = axes;
        env.extend(self.env.clone());
        env.extend(choice.env.iter().map(|(name, value)| (name.clone(), Template::text(value))));
        for (_, changed) in overrides.iter().filter(|(service, _)| service == self.name) {
            env.extend(changed.clone());
        }
        let on_cloud_run = choice.platform == Platform::CloudRun;
        // A container asks for its tokens on every platform.
        if !on_cloud_run && !self.launch.is_container() {
            env.retain(|_, value| !value.references().any(|one| *one == Reference::MetadataHost));
        }
        let (propagation, baggage) = configured(&env);
        let facts = ServiceFacts {
            name: self.name.to_owned(),
            protocol: self.file.protocol,
            propagation,
            baggage,
            flushes_on_sigterm: self.file.flushes_on_sigterm,
            untraced: self.file.untraced.clone(),
            declares_route: self.file.sets_http_route,
            auth_required: on_cloud_run && self.cloud_run.auth == Auth::Required,
            audiences: if on_cloud_run { self.cloud_run.audiences.clone() } else { Vec::new() },
            external: self.file.external,
        };
        ServiceStart {
            name: self.name.to_owned(),
            launch: self.launch.clone(),
            ready: self.ready,
            env,
            collector: self.collector.clone(),
            cloud_run: self.cloud_run.clone(),
            facts,
        }
    }
}

/// Reads the services, in the order of the file.
pub(crate) fn services<'f>(
    file: File<'_>,
    suite: &'f SuiteFile,
    axes: &[Axis],
    known: &Known<'f>,
) -> Result<Vec<Service<'f>>, SuiteError> {
    let names: Vec<&str> = suite.services.keys().collect();
    let mut services = Vec::new();
    for (name, service) in suite.services.iter() {
        crate::name::component(file, name, "service name")?;
        if [Source::DRIVER, Source::FRONT_END].iter().chain(&RESERVED).any(|word| name.value == *word) {
            let message =
                format!("a service cannot be called `{}`: the word has a meaning of its own", name.value);
            return Err(file.error(name.referenced, message));
        }
        let names = Names { file, services: &names, each: &[], user: None, metadata: false };
        let launch = launch(file, name.referenced, service, known, &names)?;
        let ready = service.ready.unwrap_or(match launch {
            Launch::Demo(_) => Ready::Line,
            Launch::Command(_) | Launch::Container(_) => Ready::Port,
        });
        let is_container = launch.is_container();
        let deployed = known.deployed.iter().find(|deployed| deployed.name() == name.value);
        services.push(Service {
            name: &name.value,
            file: service,
            launch,
            ready,
            env: variables(&service.env, &Names { metadata: on_cloud_run(axes) || is_container, ..names })?,
            collector: collector(file, &service.collector)?,
            cloud_run: cloud_run_service(file, suite, service, axes, deployed)?,
            deployed,
        });
    }
    if services.is_empty() {
        return Err(file.error(suite.suite.referenced, "the suite has no services"));
    }
    no_cycle(file, suite, &services)?;
    Ok(services)
}

/// Reads how the collector behaves.
fn collector(file: File<'_>, written: &CollectorFile) -> Result<Collector, SuiteError> {
    let code = |code: &serde_saphyr::Spanned<String>| {
        let refusals = || GrpcCode::all().filter(|one| *one != GrpcCode::Ok);
        refusals().find(|one| one.as_str() == code.value).ok_or_else(|| {
            let error = file.error(code.referenced, format!("`{}` is no gRPC code of an error", code.value));
            error.with_names(&code.value, refusals().map(GrpcCode::as_str))
        })
    };
    let refuse_first = written.refuse_first.as_ref().map(code).transpose()?;
    Ok(Collector { persona: written.persona, refuse: written.refuse, refuse_first })
}

/// Reads a mapping of environment variables.
pub(crate) fn variables(
    entries: &Entries<serde_saphyr::Spanned<Scalar>>,
    names: &Names<'_>,
) -> Result<Environment, SuiteError> {
    let read = |(name, value): (&serde_saphyr::Spanned<String>, &serde_saphyr::Spanned<Scalar>)| {
        variable_name(names.file, name)?;
        Ok((name.value.clone(), names.template(&value.text())?))
    };
    entries.iter().map(read).collect()
}

/// Refuses what no environment can hold.
pub(crate) fn variable_name(file: File<'_>, name: &serde_saphyr::Spanned<String>) -> Result<(), SuiteError> {
    if name.value.is_empty() || name.value.contains(['=', '\0']) {
        let message = format!("{:?} cannot be the name of an environment variable", name.value);
        return Err(file.error(name.referenced, message));
    }
    Ok(())
}

fn launch(
    file: File<'_>,
    at: serde_saphyr::Location,
    service: &ServiceFile,
    known: &Known<'_>,
    names: &Names<'_>,
) -> Result<Launch, SuiteError> {
    if let Some(node) = &service.url {
        let error = file.error(node.referenced, "starting a service by `url` is not supported yet");
        return Err(error.with_help("use `demo: NAME` or `command: [PROGRAM, …]`"));
    }
    if let Some(container) = container(service, names)? {
        return match &service.demo {
            None => Ok(Launch::Container(container)),
            Some(demo) => Err(file.error(demo.referenced, "a demo service does not run in a container")),
        };
    }
    match (&service.demo, &service.command) {
        (Some(demo), None) if known.demos.contains(&demo.value.as_str()) => {
            Ok(Launch::Demo(demo.value.clone()))
        }
        (Some(demo), None) => {
            let error = file.error(demo.referenced, format!("unknown demo service `{}`", demo.value));
            Err(error.with_names(&demo.value, known.demos.iter().copied()))
        }
        (None, Some(command)) if command.value.is_empty() => {
            Err(file.error(command.referenced, "the command is empty"))
        }
        (None, Some(command)) => Ok(Launch::Command(
            command.value.iter().map(|word| names.template(word)).collect::<Result<_, _>>()?,
        )),
        (Some(_), Some(_)) | (None, None) => {
            Err(file.error(at, "a service has exactly one of `demo`, `command`, `image` and `dockerfile`"))
        }
    }
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
