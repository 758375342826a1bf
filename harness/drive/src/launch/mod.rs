//! Starting services as child processes, and what is held in their place where they are none: how, until when, and that none of
//! them stays behind.

mod build;
mod command;
mod environment;
mod history;
mod listening;
mod output;
mod port;
mod process;
mod ready;
mod running;
mod service;
mod stub;
mod watcher;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use spanwise_model::Source;

use crate::DriveError;
use crate::clock::random;
use port::Port;
use watcher::Watcher;

pub use build::Build;
pub use command::Ended;
pub use history::History;
pub use output::Output;
pub use ready::Ready;
pub use running::Running;
pub use service::Service;
pub use stub::{OnUnmatched, Stub};

/// How often another port is tried when the service finds the given one taken.
const PORT_ATTEMPTS: usize = 5;

/// Starts the services of one run. Each is killed when it is dropped; when the launcher and its clones and the last of them are gone,
/// so is every process that they left behind.
#[derive(Clone)]
pub struct Launcher {
    watcher: Arc<Watcher>,
}

/// How a service is to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Which instance of which service it is.
    pub source: Source,
    /// The program: a path, which begins at `folder` where it is relative, or a name without `/`, which is looked up in `PATH`.
    pub program: OsString,
    /// Its arguments. [`Launch::PORT`] in them stands for the port.
    pub args: Vec<String>,
    /// What is added to the base environment, which has `PATH`, `HOME` and the like and neither `OTEL_*` nor proxies.
    /// [`Launch::PORT`] in the values stands for the port.
    pub env: Vec<(String, String)>,
    /// The folder it is started in; the harness's own when `None`.
    pub folder: Option<PathBuf>,
    /// How it says that it serves.
    pub ready: Ready,
    /// How long it may take until then.
    pub ready_within: Duration,
}

impl Launch {
    /// Stands for the port in arguments and environment: 0 where the service says its address itself
    /// ([`Ready::Line`]), else a free port below the ephemeral range.
    pub const PORT: &str = "{{port}}";

    /// A launch without arguments and environment of its own, ready by its line within 60 seconds: an agent in a virtual machine takes
    /// ten and more, and a service that ends early is noticed at once.
    pub fn new(source: Source, program: impl Into<OsString>) -> Launch {
        Launch {
            source,
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder: None,
            ready: Ready::Line,
            ready_within: Duration::from_secs(60),
        }
    }
}

/// A program as it is started in a folder: the system does not say whether a relative path of it begins there or here.
fn program_in(program: &OsStr, folder: Option<&Path>) -> PathBuf {
    let is_path = program.as_encoded_bytes().contains(&b'/');
    let program = Path::new(program);
    match folder.filter(|_| is_path && program.is_relative()) {
        Some(folder) => {
            let joined = folder.join(program);
            std::path::absolute(&joined).unwrap_or(joined)
        }
        None => program.to_owned(),
    }
}

impl Launcher {
    /// Starts the run's watcher, which outlives the harness just long enough to kill what it left behind.
    pub fn new() -> Result<Launcher, DriveError> {
        let run = format!("{:016x}{:016x}", random(), random());
        Ok(Launcher { watcher: Arc::new(Watcher::start(&run)?) })
    }

    /// A folder for files of this run, empty and readable by this user alone. It goes with the launcher, however the
    /// harness ends.
    pub fn folder(&self) -> &Path {
        self.watcher.folder()
    }

    /// The variable that every process of this run has in its environment, and its value: by it those are found and killed that
    /// the harness left behind. Who starts a program beside the launcher gives it this.
    pub fn marker(&self) -> (&'static str, &str) {
        (watcher::MARKER, self.watcher.run())
    }

    /// From now on there may be containers and networks with this label, which has no spaces. They are removed when the launcher
    /// is gone, however the harness ends.
    pub fn watch_containers(&self, label: &str) {
        self.watcher.watch_containers(label);
    }

    /// Asks an engine for a container or network of this name, which has no spaces, with the label that is watched for. Where this is
    /// dropped before there is an answer, what comes of it all the same is removed in the end.
    pub async fn make<T>(&self, name: &str, asked: impl Future<Output = T>) -> T {
        self.watcher.asked(name);
        let answer = asked.await;
        self.watcher.answered(name);
        answer
    }

    /// Starts a service and waits until it is ready. If it does not get ready it is killed, and the error holds the
    /// last lines it wrote.
    pub async fn start(&self, launch: Launch) -> Result<Service, DriveError> {
        let mut attempt = 1;
        loop {
            let port = match launch.ready {
                Ready::Line => None,
                _ => Some(Port::free()?),
            };
            let is_given = port.is_some();
            let service = Service::spawn(&launch, port, self.watcher.clone())?;
            match service.until_ready(&launch).await {
                Ok(service) => return Ok(service),
                Err(failed) if is_given && attempt < PORT_ATTEMPTS && failed.port_was_taken => attempt += 1,
                Err(failed) => return Err(failed.error),
            }
        }
    }
}
