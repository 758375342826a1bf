//! What all lanes of a run share: the launcher, the client, the certificates, and two addresses that lead nowhere good.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use spanwise_cloud_run::Identity;
use spanwise_drive::{Build, Client, Descriptors, DriveError, Launcher};
use spanwise_front::tls::Authority;
use spanwise_front::{Front, FrontOptions, TapLog};
use spanwise_model::Source;
use tokio::net::TcpSocket;
use tokio::sync::{Mutex, OnceCell, Semaphore, watch};

use super::fixed::FixedListeners;
use super::fleet::chain;
use super::in_process::Programs;
use super::instances::Instances;
use super::turns::Turns;
use super::{Options, RunError, google};

/// The run's certificate authority in the run's folder.
const CA_FILE: &str = "ca.pem";
/// The same for Java.
const CA_PKCS12: &str = "ca.p12";

/// Suites of which the services start in order, one after the other.
pub(super) type InOrder = Arc<std::sync::Mutex<HashSet<String>>>;

/// How a build went.
type Built = Arc<OnceCell<Result<(), String>>>;

/// What all lanes of a run share.
pub(super) struct World {
    pub(super) options: Options,
    pub(super) launcher: Launcher,
    pub(super) client: Client,
    /// Services that are tasks of this process.
    pub(super) programs: Programs,
    pub(super) authority: Authority,
    /// One permit is one request under way.
    pub(super) requests: Arc<Semaphore>,
    /// In which services start.
    pub(super) turns: Turns,
    /// What gRPC services said of themselves, by suite and service: asked once a run.
    descriptors: Mutex<HashMap<(String, String), Descriptors>>,
    /// What was built, or why not: each once a run.
    builds: Mutex<HashMap<Build, Built>>,
    /// The builds of which it was told that they are run.
    announced: std::sync::Mutex<HashSet<Build>>,
    /// The suites of which the services start in order.
    in_order: InOrder,
    /// The listeners at addresses that suites fix.
    pub(super) fixed: Arc<FixedListeners>,
    /// Who signs the tokens of the emulated platform. Keys take a moment to make, which a run without it saves.
    identity: OnceCell<Arc<Identity>>,
    /// Who starts containers, or why nobody does. It is asked where a suite has one.
    #[cfg(feature = "containers")]
    pub(super) engine: OnceCell<Result<spanwise_containers::Engine, String>>,
    /// Answers with a certificate that no service trusts.
    untrusted: Front,
    /// Bound and never listening, so that connecting is refused and nobody else can take the port.
    refused: (TcpSocket, SocketAddr),
    /// Whether the run is to end.
    stopped: watch::Sender<bool>,
    /// Where a lane leaves its services up; held by who asked for it, so that they end with him.
    kept: Weak<KeptInstances>,
}

/// The services that were left up, once they are.
pub(super) type KeptInstances = std::sync::Mutex<Option<Instances>>;

impl World {
    /// Makes what lanes share; where there is a place for them, the first lane's services are left up.
    pub(super) async fn new(options: Options, kept: Weak<KeptInstances>) -> Result<World, RunError> {
        let authority = Authority::for_names(&google::secure_names())?;
        let launcher = Launcher::new()?;
        std::fs::write(launcher.folder().join(CA_FILE), authority.ca_pem())?;
        std::fs::write(launcher.folder().join(CA_PKCS12), authority.ca_pkcs12())?;

        let stranger = Authority::new()?;
        let nobody = Source::new("untrusted", 1);
        let mut front = FrontOptions::new(None, nobody, Arc::new(TapLog::new()));
        front.tls = Some(stranger.server_tls());

        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let address = socket.local_addr()?;

        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(World {
            launcher,
            programs: Programs::new(),
            client: Client::new(Some(authority.ca_pem()))?,
            authority,
            requests: Arc::new(Semaphore::new(options.requests.max(1))),
            // With one processor, too, a start that waits for something lets another one compute.
            turns: Turns::new(processors.max(2), processors.max(2).max(options.lanes)),
            descriptors: Mutex::default(),
            builds: Mutex::default(),
            announced: std::sync::Mutex::default(),
            in_order: InOrder::default(),
            fixed: Arc::default(),
            identity: OnceCell::new(),
            #[cfg(feature = "containers")]
            engine: OnceCell::new(),
            untrusted: Front::start(front).await?,
            refused: (socket, address),
            stopped: watch::Sender::new(false),
            kept,
            options,
        })
    }

    /// Gives it the listeners of rounds before this one: services that run already go on between rounds, and export when they please.
    pub(super) fn with_fixed(self, fixed: Arc<FixedListeners>) -> World {
        World { fixed, ..self }
    }

    /// Gives it what rounds before this one know of the order in which services start.
    pub(super) fn with_order(self, in_order: InOrder) -> World {
        World { in_order, ..self }
    }

    /// Gives it services that are tasks of this process.
    pub(super) fn with_programs(self, programs: Programs) -> World {
        World { programs, ..self }
    }

    /// Has lanes start nothing more, and end what they started.
    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether the run is to end.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Does work unless the run is to end, and no longer than until then.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stopped = self.stopped.subscribe();
        let stop = stopped.wait_for(|is_stopped| *is_stopped);
        tokio::select! {
            biased;
            _ = stop => None,
            done = work => Some(done),
        }
    }

    /// Whether a lane that ends now leaves its services up.
    pub(super) fn keeps(&self) -> bool {
        let is_free = |kept: Arc<KeptInstances>| kept.lock().is_ok_and(|kept| kept.is_none());
        !self.is_stopped() && self.kept.upgrade().is_some_and(is_free)
    }

    /// Leaves services up.
    pub(super) fn keep(&self, instances: Instances) {
        if let Some(kept) = self.kept.upgrade()
            && let Ok(mut kept) = kept.lock()
        {
            *kept = Some(instances);
        }
    }

    /// The file with the run's certificate authority.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.launcher.folder().join(CA_FILE)
    }

    /// The same as a trust store of Java.
    pub(super) fn ca_pkcs12(&self) -> PathBuf {
        self.launcher.folder().join(CA_PKCS12)
    }

    /// Sees to it that this was run, for a service by this name; whoever comes later waits for the first, or hears how it went.
    pub(super) async fn build(&self, service: &str, build: Build, within: Duration) -> Result<(), String> {
        let built = self.builds.lock().await.entry(build.clone()).or_default().clone();
        let run =
            || async { self.launcher.build(service, &build, within).await.map_err(|error| chain(&error)) };
        built.get_or_init(run).await.clone()
    }

    /// Whether nobody was told yet that this is run; from now on somebody was.
    pub(super) fn is_news(&self, build: Build) -> bool {
        self.announced.lock().is_ok_and(|mut announced| announced.insert(build))
    }

    /// From here on a suite's services start in order, one after the other.
    pub(super) fn start_in_order(&self, suite: &str) {
        self.in_order.lock().unwrap_or_else(PoisonError::into_inner).insert(suite.to_owned());
    }

    /// Whether a suite's services start in order.
    pub(super) fn starts_in_order(&self, suite: &str) -> bool {
        self.in_order.lock().unwrap_or_else(PoisonError::into_inner).contains(suite)
    }

    /// Who signs the tokens of the emulated platform, the same for the whole run.
    pub(super) async fn identity(&self) -> Result<Arc<Identity>, String> {
        let made = self.identity.get_or_try_init(|| async {
            let made = tokio::task::spawn_blocking(Identity::new).await;
            let made = made.map_err(|error| error.to_string())?.map_err(|error| chain(&error))?;
            Ok::<_, String>(Arc::new(made))
        });
        made.await.cloned()
    }

    /// A URL that answers with a certificate nobody trusts.
    pub(super) fn untrusted_url(&self) -> String {
        self.untrusted.url("127.0.0.1")
    }

    /// The port of that.
    #[cfg(feature = "containers")]
    pub(super) fn untrusted_port(&self) -> u16 {
        self.untrusted.addr().port()
    }

    /// A URL at which nothing listens.
    pub(super) fn refused_url(&self, secure: bool) -> String {
        let scheme = if secure { "https" } else { "http" };
        format!("{scheme}://{}", self.refused.1)
    }

    /// The descriptors of a gRPC service that was asked already.
    pub(super) async fn known_descriptors(&self, suite: &str, service: &str) -> Option<Descriptors> {
        self.descriptors.lock().await.get(&(suite.to_owned(), service.to_owned())).cloned()
    }

    /// The descriptors of a gRPC service, by reflection at `address`; asked once for all instances of it.
    pub(super) async fn descriptors(
        &self,
        suite: &str,
        service: &str,
        address: SocketAddr,
    ) -> Result<Descriptors, DriveError> {
        let key = (suite.to_owned(), service.to_owned());
        let mut known = self.descriptors.lock().await;
        if let Some(descriptors) = known.get(&key) {
            return Ok(descriptors.clone());
        }
        let descriptors = Descriptors::fetch(&self.client, &format!("http://{address}")).await?;
        known.insert(key, descriptors.clone());
        Ok(descriptors)
    }
}
