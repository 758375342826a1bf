//! A service in a container, as the run loop holds it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use spanwise_drive::{History, Instance, Launch, Output, Ready};
use spanwise_model::{Evidence, LogRecord, ProcessEvent, ProcessEventKind, Source, Stream};
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as EngineError;
use testcontainers::bollard::models::{ContainerCreateBody, HostConfig};
use testcontainers::bollard::query_parameters::{KillContainerOptionsBuilder, WaitContainerOptions};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::forwarder::Forwarder;
use crate::held::Held;
use crate::image::Image;
use crate::{ContainerError, Engine};

/// How a service is to be started in a container.
#[derive(Clone, Debug)]
pub struct ContainerLaunch {
    /// Which instance of which service it is.
    pub source: Source,
    /// What its container is made of.
    pub image: Image,
    /// How long it may take until the image is there. Of services with the same image, that of the first counts.
    pub image_within: Duration,
    /// What takes the place of the image's `CMD`, where anything does. [`Launch::PORT`] stands for the port, as in the values of
    /// the environment.
    pub args: Vec<String>,
    /// What is added to the environment that the image has.
    pub env: Vec<(String, String)>,
    /// Files that are put into the container: where, and what is in them.
    pub files: Vec<(String, Vec<u8>)>,
    /// The port at which the service listens in its container.
    pub port: u16,
    /// How it says that it serves.
    pub ready: Ready,
    /// How long it may take until then.
    pub ready_within: Duration,
    /// Ports of 127.0.0.1 that the service finds at the same place.
    pub loopback: BTreeSet<u16>,
    /// Names that lead to ports of 127.0.0.1.
    pub names: Vec<Name>,
}

impl ContainerLaunch {
    /// The port that services are told to listen at where nobody says another: that of Cloud Run.
    pub const DEFAULT_PORT: u16 = 8080;

    /// A launch without arguments, environment and files, whose network is empty; ready by its port within 60 seconds.
    pub fn new(source: Source, image: Image) -> ContainerLaunch {
        ContainerLaunch {
            source,
            image,
            image_within: Duration::from_secs(1800),
            args: Vec::new(),
            env: Vec::new(),
            files: Vec::new(),
            port: ContainerLaunch::DEFAULT_PORT,
            ready: Ready::Port,
            ready_within: Duration::from_secs(60),
            loopback: BTreeSet::new(),
            names: Vec::new(),
        }
    }
}

/// A name in a container's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub host: String,
    /// The port at which it is called.
    pub port: u16,
    /// The port of 127.0.0.1, out here, to which that leads.
    pub leads_to: u16,
}

/// A service that runs in a container. Dropping it removes the container.
pub struct Container {
    // It is dropped before the network that it shares.
    container: Held,
    forwarder: Forwarder,
    docker: Docker,
    address: SocketAddr,
    output: Arc<Output>,
    history: Arc<History>,
    source: Source,
    /// Locked while the engine is told something and that is written down.
    stage: Mutex<Stage>,
    exited: watch::Receiver<Option<i64>>,
    /// What reads its output and waits for its end.
    _tasks: JoinSet<()>,
}

/// What was last done to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Frozen,
    Ending,
}

impl Container {
    pub(crate) async fn start(
        engine: &Engine,
        image: &str,
        launch: ContainerLaunch,
    ) -> Result<Container, ContainerError> {
        let ContainerLaunch { source, args, env, files, loopback, names, .. } = &launch;
        let forwarder = Forwarder::start(engine, source, loopback, names).await?;
        let port = launch.port.to_string();
        let filled = |text: &String| text.replace(Launch::PORT, &port);
        let env = env.iter().map(|(name, value)| format!("{name}={}", filled(value)));
        let config = ContainerCreateBody {
            image: Some(image.to_owned()),
            env: Some(env.collect()),
            cmd: (!args.is_empty()).then(|| args.iter().map(filled).collect()),
            // It shares the network of the forwarder, publishes nothing itself, and has its names from there.
            host_config: Some(HostConfig {
                network_mode: Some(forwarder.network()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let started = Held::start(engine, &engine.container_name(&source.service), config, files).await;
        let failed = |reason| ContainerError::Start { service: source.clone(), reason };
        let container = started.map_err(failed)?;
        let awaited = launch.ready.awaited();
        Container::watched(engine, container, forwarder, source.clone(), awaited).until_ready(&launch).await
    }

    /// A container that was just started; from here on it is removed with this.
    fn watched(
        engine: &Engine,
        container: Held,
        forwarder: Forwarder,
        source: Source,
        awaited: Option<String>,
    ) -> Container {
        let history = Arc::new(History::new(source.clone()));
        history.happened(ProcessEventKind::Spawned);
        let output = Output::new(source.clone(), awaited);
        let (exit, exited) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(&output).read(Stream::Stdout, container.output(Stream::Stdout)));
        tasks.spawn(Arc::clone(&output).read(Stream::Stderr, container.output(Stream::Stderr)));
        let end = end(engine.docker.clone(), container.id().to_owned(), Arc::clone(&history));
        tasks.spawn(async move { exit.send(Some(end.await)).unwrap_or_default() });
        Container {
            container,
            forwarder,
            docker: engine.docker.clone(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            output,
            history,
            source,
            stage: Mutex::new(Stage::Running),
            exited,
            _tasks: tasks,
        }
    }

    /// Waits until it is ready, has ended, or its time is up; in the last two cases it is removed with the error.
    async fn until_ready(mut self, launch: &ContainerLaunch) -> Result<Container, ContainerError> {
        let relay = self.forwarder.tunnel.relay(launch.port).await;
        self.address = relay.map_err(|error| ContainerError::Forwarder {
            service: self.source.clone(),
            reason: error.to_string(),
        })?;
        let mut seen = String::new();
        tokio::select! {
            biased;
            () = self.reached(launch, &mut seen) => {}
            code = self.exit_code() => {
                self.output.last_words().await;
                return Err(ContainerError::Exited { service: self.source.clone(), code, output: self.output.tail() });
            }
            // waits on purpose: how long it may take is the caller's to say.
            () = tokio::time::sleep(launch.ready_within) => {
                return Err(ContainerError::NotReady {
                    service: self.source.clone(),
                    within: launch.ready_within,
                    waited_for: format!("{}{seen}{}", launch.ready, self.elsewhere(launch.port).await),
                    output: self.output.tail(),
                });
            }
        }
        self.history.happened(ProcessEventKind::Ready);
        Ok(self)
    }

    async fn reached(&self, launch: &ContainerLaunch, seen: &mut String) {
        if launch.ready != Ready::Port {
            launch.ready.reached(&self.output, self.address, seen).await;
            return;
        }
        // Out here there is always somebody who listens, so it is asked in there.
        let mut pause = Duration::from_millis(2);
        while let Err(error) = self.forwarder.tunnel.probe(launch.port).await {
            let port = launch.port;
            *seen =
                format!("; last seen: port {port} of the container, at the address of its network: {error}");
            // waits on purpose: a port tells nobody that it opens; it has to be tried again.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// What a service that is not ready does at another port than that which it was given, where its image says at which.
    async fn elsewhere(&self, given: u16) -> String {
        for port in self.container.exposed().await {
            if port != given && self.forwarder.tunnel.probe(port).await.is_ok() {
                return format!(
                    "; it listens at port {port}, which its image exposes, and not at its `container-port`, {given}"
                );
            }
        }
        String::new()
    }

    async fn exit_code(&self) -> i64 {
        let mut exited = self.exited.clone();
        let code = exited.wait_for(Option::is_some).await.map(|code| *code);
        match code {
            Ok(Some(code)) => code,
            // Who waits for its end ends with this alone.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Notes first what is then done: what comes of it may be heard of before the engine has answered.
    async fn signal(&self, signal: &str, kind: ProcessEventKind) {
        self.history.happened(kind);
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        // One that ended meanwhile cannot be sent a signal, and needs none.
        let _ = self.docker.kill_container(self.container.id(), Some(options)).await;
    }

    /// Once it has ended: reads what is left, and removes the container and its network.
    async fn gone(&self) -> Vec<ProcessEvent> {
        self.output.last_words().await;
        self.container.remove().await;
        self.forwarder.remove().await;
        self.history.events()
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Instance for Container {
    fn source(&self) -> &Source {
        &self.source
    }

    fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Its output is read, and its end waited for.
    fn shows(&self, _: Evidence) -> bool {
        true
    }

    fn logs_where(&self, wanted: &dyn Fn(&LogRecord) -> bool) -> Vec<LogRecord> {
        self.output.lines_where(wanted)
    }

    fn dropped_lines(&self) -> u64 {
        self.output.dropped()
    }

    fn tail(&self) -> String {
        self.output.tail()
    }

    fn events(&self) -> Vec<ProcessEvent> {
        self.history.events()
    }

    /// Its number in the container is another than on this machine, which may not even run it.
    fn pid(&self) -> Option<u32> {
        None
    }

    /// Pauses the container, whose processes then have no processor. The network stays open, as that of a frozen process does.
    fn freeze(&self) {
        let mut stage = self.stage();
        if *stage == Stage::Running && at_once(self.docker.pause_container(self.container.id())) {
            self.history.happened(ProcessEventKind::Frozen);
            *stage = Stage::Frozen;
        }
    }

    fn thaw(&self) {
        let mut stage = self.stage();
        let before = History::now();
        if *stage == Stage::Frozen && at_once(self.docker.unpause_container(self.container.id())) {
            self.history.happened_at(before, ProcessEventKind::Thawed);
            *stage = Stage::Running;
        }
    }

    fn exited(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.exit_code().await;
        })
    }

    /// SIGTERM to the first process of the container, whatever the image says, because that is what Cloud Run sends; SIGKILL to
    /// all of them when `grace` has passed.
    fn terminate(&self, grace: Duration) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            self.thaw();
            let is_first = std::mem::replace(&mut *self.stage(), Stage::Ending) != Stage::Ending;
            if is_first && self.exited.borrow().is_none() {
                self.signal("SIGTERM", ProcessEventKind::Terminated).await;
            }
            if tokio::time::timeout(grace, self.exit_code()).await.is_err() {
                return self.kill_as_it_is().await;
            }
            self.gone().await
        })
    }

    fn kill_as_it_is(&self) -> BoxFuture<'_, Vec<ProcessEvent>> {
        Box::pin(async move {
            *self.stage() = Stage::Ending;
            if self.exited.borrow().is_none() {
                self.signal("SIGKILL", ProcessEventKind::Killed).await;
            }
            self.exit_code().await;
            self.gone().await
        })
    }
}

/// Waits for the end of a container and notes it.
async fn end(docker: Docker, id: String, history: Arc<History>) -> i64 {
    let mut waiting = std::pin::pin!(docker.wait_container(&id, None::<WaitContainerOptions>));
    let code = match waiting.next().await {
        Some(Ok(answer)) => answer.status_code,
        Some(Err(EngineError::DockerContainerWaitError { code, .. })) => code,
        // It was removed, or the engine is gone: either way nothing will be heard of it.
        Some(Err(_)) | None => KILLED,
    };
    history.happened(ended(code));
    code
}

/// The code of a container whose first process was ended by SIGKILL.
const KILLED: i64 = 137;

/// How it ended. Only SIGKILL is a signal for sure: a process ends with other codes above 128 of its own will, as a virtual
/// machine of Java does after SIGTERM.
fn ended(code: i64) -> ProcessEventKind {
    match code {
        KILLED => ProcessEventKind::Exited { code: None, signal: Some(9) },
        code => ProcessEventKind::Exited { code: i32::try_from(code).ok(), signal: None },
    }
}

/// Whether the engine did what it was asked for, which is waited for here and now: who freezes must know that it is frozen. A
/// runtime of one thread has none to wait on, and there nothing is done.
fn at_once<E>(asked: impl Future<Output = Result<(), E>>) -> bool {
    let runtime = Handle::current();
    match runtime.runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| runtime.block_on(asked)).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_kill_is_a_signal() {
        let check = |code, expected| assert_eq!(ended(code), expected);
        check(0, ProcessEventKind::Exited { code: Some(0), signal: None });
        check(143, ProcessEventKind::Exited { code: Some(143), signal: None });
        check(137, ProcessEventKind::Exited { code: None, signal: Some(9) });
    }
}
