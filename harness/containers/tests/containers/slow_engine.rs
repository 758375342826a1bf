//! An engine that takes its time: a socket before the real one. It passes everything on, but the first request for a container only
//! when somebody has asked for the networks that there are: who clears up after a harness has looked for containers by then.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libtest_mimic::Failed;

const LONGEST: Duration = Duration::from_secs(60);

/// Dropping it removes the socket.
pub(super) struct SlowEngine {
    path: PathBuf,
    story: Arc<Story>,
}

/// How far it has come.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    #[default]
    Begun,
    /// A container was asked for.
    Asked,
    /// The networks were asked for since.
    Looked,
    /// The engine has answered whether it made the container.
    Made,
}

#[derive(Default)]
struct Story {
    stage: Mutex<Stage>,
    changed: Condvar,
}

impl SlowEngine {
    pub(super) fn start() -> Result<SlowEngine, Failed> {
        let real = std::env::var("DOCKER_HOST").unwrap_or("unix:///var/run/docker.sock".to_owned());
        let real =
            PathBuf::from(real.strip_prefix("unix://").ok_or("the engine is at no socket of this machine")?);
        let path = std::env::temp_dir().join(format!("spanwise-engine-{}", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        let story = Arc::<Story>::default();
        let engine = SlowEngine { path, story: story.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = UnixStream::connect(&real) else { continue };
                let _ = connect(client, server, &story);
            }
        });
        Ok(engine)
    }

    /// What `DOCKER_HOST` is to say.
    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    pub(super) fn wait_for(&self, stage: Stage) -> Result<(), Failed> {
        if self.story.wait_for(stage) { Ok(()) } else { Err("the engine was not asked".into()) }
    }
}

impl Drop for SlowEngine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Story {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn goes_on(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.stage();
        let goes_on = *stage == from;
        if goes_on {
            *stage = to;
            self.changed.notify_all();
        }
        goes_on
    }

    fn wait_for(&self, expected: Stage) -> bool {
        let waited = self.changed.wait_timeout_while(self.stage(), LONGEST, |stage| *stage < expected);
        waited.is_ok_and(|(stage, _)| *stage >= expected)
    }
}

/// Copies both ways. A request stands at the beginning of what is read: no client sends one before the last is answered.
fn connect(client: UnixStream, server: UnixStream, story: &Arc<Story>) -> io::Result<()> {
    let is_slow = Arc::<Mutex<bool>>::default();
    let (answers, asked) = ((server.try_clone()?, client.try_clone()?), is_slow.clone());
    let told = story.clone();
    std::thread::spawn(move || {
        let (mut from, mut to) = answers;
        copy(&mut from, &mut to, |_| {
            if asked.lock().is_ok_and(|slow| *slow) {
                told.goes_on(Stage::Looked, Stage::Made);
            }
        })
    });
    let story = story.clone();
    std::thread::spawn(move || {
        let (mut from, mut to) = (client, server);
        copy(&mut from, &mut to, |request| {
            let line = String::from_utf8_lossy(request);
            let line = line.lines().next().unwrap_or_default();
            if line.starts_with("GET ") && line.contains("/networks") {
                story.goes_on(Stage::Asked, Stage::Looked);
            }
            let is_create = line.starts_with("POST ") && line.contains("/containers/create");
            if is_create && story.goes_on(Stage::Begun, Stage::Asked) {
                story.wait_for(Stage::Looked);
                *is_slow.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
        })
    });
    Ok(())
}

/// Reads to the end, even where nobody takes it any more.
fn copy(from: &mut UnixStream, to: &mut UnixStream, before: impl Fn(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        before(&buffer[..read]);
        let _ = to.write_all(&buffer[..read]);
    }
    let _ = to.shutdown(Shutdown::Write);
}
