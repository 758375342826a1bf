//! From a service of the plan to a running instance of it, by whatever it is started by. `fleet` has opened what stands around
//! the instance, and holds it afterwards.

use std::net::Ipv4Addr;
use std::sync::Arc;

use spanwise_drive::{Build, Instance, Launch, Ready, Running, Stub};
use spanwise_model::Source;
use spanwise_scenario as scenario;
use spanwise_scenario::{Channel, Reference, ServiceStart, Template};
use tokio::net::TcpListener;

use super::fleet::{Fleet, chain};
use super::google::Google;
use super::in_process::{InProcess, Program};

/// Where the certificate authority of the run is in a container. Files at the top need no folder, so that they can be put into an
/// image that has none.
pub(super) const CONTAINER_CA_FILE: &str = "/spanwise-ca.pem";
/// The same for Java.
pub(super) const CONTAINER_CA_PKCS12: &str = "/spanwise-ca.p12";

/// What an instance finds around it when it starts.
pub(super) struct Surroundings<'f> {
    pub(super) fleet: &'f Fleet,
    pub(super) source: &'f Source,
    /// The URL of its own listener, where it is told one.
    pub(super) collector: Option<String>,
    /// The address of its own metadata server, where one is emulated.
    pub(super) metadata: Option<String>,
    /// What stands for Google, where the instance runs in a container.
    pub(super) google: Option<Google>,
}

impl Surroundings<'_> {
    /// Starts the instance and waits until it is ready.
    pub(super) async fn start(&self, start: &ServiceStart) -> Result<Arc<dyn Instance>, String> {
        let ServiceStart { name, start: how, .. } = start;
        let folder = how.folder.clone();
        // It was built before all starts; who starts one later hears here that it was not.
        if let Some(build) = build(start) {
            self.fleet.world().build(name, build, how.build_within).await?;
        }
        match &how.launch {
            scenario::Launch::Demo(name) => match self.fleet.world().programs.get(name) {
                Some(program) => self.task(start, program).await,
                None => self.process(start, demo(self.source.clone(), name)?).await,
            },
            scenario::Launch::Command(words) => {
                let mut words = words.iter().map(|word| self.fill(word));
                let program = words.next().ok_or("the command is empty")??;
                let args = words.collect::<Result<_, String>>()?;
                let launch = Launch { args, folder, ..Launch::new(self.source.clone(), program) };
                self.process(start, launch).await
            }
            scenario::Launch::Running { address } => {
                let source = self.source.clone();
                let found = Running::find(source, address, &ready(&how.ready), how.ready_within).await;
                Ok(Arc::new(found.map_err(|error| chain(&error))?))
            }
            scenario::Launch::Stub(responses) => {
                let on_unmatched = self.fleet.on_unmatched(name);
                let started = Stub::start(self.source.clone(), responses.clone(), on_unmatched).await;
                Ok(Arc::new(started.map_err(|error| chain(&error))?))
            }
            scenario::Launch::Container(container) => self.container(start, container).await,
        }
    }

    /// What runs containers is large, and so not part of every build.
    #[cfg(not(feature = "containers"))]
    async fn container(
        &self,
        _: &ServiceStart,
        _: &scenario::Container,
    ) -> Result<Arc<dyn Instance>, String> {
        Err(format!(
            "{} runs in a container, and this build of spanwise starts none; build it with the feature `containers`, as in \
             `cargo install --path harness/spanwise --features containers`; for tests it is a feature of the dev-dependency",
            self.source
        ))
    }

    /// Starts a child process of the harness.
    async fn process(&self, start: &ServiceStart, mut launch: Launch) -> Result<Arc<dyn Instance>, String> {
        for (name, template) in &start.env {
            launch.env.push((name.clone(), self.fill(template)?));
        }
        launch.ready = ready(&start.start.ready);
        launch.ready_within = start.start.ready_within;
        let started = self.fleet.world().launcher.start(launch).await;
        Ok(Arc::new(started.map_err(|error| chain(&error))?))
    }

    /// Starts a task of this process, which listens from the beginning.
    async fn task(&self, start: &ServiceStart, program: &Program) -> Result<Arc<dyn Instance>, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| chain(&error))?;
        let port = listener.local_addr().map_err(|error| chain(&error))?.port().to_string();
        let filled = |(name, template): (&String, &Template)| {
            Ok((name.clone(), self.fill(template)?.replace(Launch::PORT, &port)))
        };
        let variables = start.env.iter().map(filled).collect::<Result<_, String>>()?;
        let started = InProcess::start(self.source.clone(), program, variables, listener);
        Ok(Arc::new(started.map_err(|error| chain(&error))?))
    }

    /// Text of the service's environment or command, with everything that is known by now.
    pub(super) fn fill(&self, template: &Template) -> Result<String, String> {
        template.fill(|reference| self.value(reference))
    }

    fn value(&self, reference: &Reference) -> Result<String, String> {
        let world = self.fleet.world();
        match reference {
            Reference::Collector(_) => {
                self.collector.clone().ok_or_else(|| "it has no collector of its own".to_owned())
            }
            Reference::MetadataHost => {
                let in_container = self.google.map(Google::metadata_host);
                let host = in_container.or_else(|| self.metadata.clone());
                host.ok_or_else(|| "no metadata server is emulated here".to_owned())
            }
            Reference::ServiceUrl(callee) => {
                let url = self.fleet.url(&self.fleet.inner_hop(self.source, callee.clone()));
                url.ok_or_else(|| format!("no front before {callee}"))
            }
            Reference::Port => Ok(Launch::PORT.to_owned()),
            Reference::CaFile if self.google.is_some() => Ok(CONTAINER_CA_FILE.to_owned()),
            Reference::CaFile => Ok(world.ca_file().display().to_string()),
            Reference::CaPkcs12 if self.google.is_some() => Ok(CONTAINER_CA_PKCS12.to_owned()),
            Reference::CaPkcs12 => Ok(world.ca_pkcs12().display().to_string()),
            Reference::UntrustedUrl => Ok(world.untrusted_url()),
            Reference::RefusedUrl => {
                Ok(world.refused_url(self.fleet.setting().channel_out == Channel::Secure))
            }
        }
    }
}

/// What is run before a service is started: nothing where this build of spanwise cannot start it.
pub(super) fn build(start: &ServiceStart) -> Option<Build> {
    let is_container = matches!(start.start.launch, scenario::Launch::Container(_));
    if is_container && cfg!(not(feature = "containers")) {
        return None;
    }
    let words = start.start.build.clone()?;
    Some(Build { words, folder: start.start.folder.clone() })
}

/// How a service says that it serves, in the words of the driver.
pub(super) fn ready(ready: &scenario::Ready) -> Ready {
    match ready {
        scenario::Ready::Line => Ready::Line,
        scenario::Ready::Port => Ready::Port,
        scenario::Ready::GrpcHealth => Ready::GrpcHealth,
        scenario::Ready::Http(path) => Ready::HttpPath(path.clone()),
        scenario::Ready::Says(text) => Ready::Says(text.clone()),
    }
}

/// The services that a service's environment or command names.
pub(crate) fn callees(start: &ServiceStart) -> Vec<String> {
    let mut found = Vec::new();
    let texts = start.env.values().chain(start.start.launch.words());
    for reference in texts.flat_map(Template::references) {
        if let Reference::ServiceUrl(name) = reference
            && !found.contains(name)
        {
            found.push(name.clone());
        }
    }
    found
}

/// A demo service: this very program, asked to be one.
#[cfg(feature = "demo")]
fn demo(source: Source, name: &str) -> Result<Launch, String> {
    let program =
        std::env::current_exe().map_err(|error| format!("the running program cannot be found: {error}"))?;
    let args = vec![crate::demo::ARGUMENT.to_owned(), name.to_owned()];
    Ok(Launch { args, ..Launch::new(source, program) })
}

#[cfg(not(feature = "demo"))]
fn demo(_: Source, name: &str) -> Result<Launch, String> {
    Err(format!("this build has no demo services (feature `demo`), so {name} cannot be started"))
}
