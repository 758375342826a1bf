//! The watcher: one small shell process a run that clears away what the harness leaves behind.
//!
//! It reads from a pipe which process groups live. However the harness ends - a panic, Ctrl-C, SIGKILL - the pipe
//! comes to its end, and the watcher removes the run's folder, kills the groups still listed, then every process that
//! carries the run's marker in its environment, where `/proc` shows it (Linux): that finds processes that left their
//! group, too. Containers are not the harness's children: where there were any, it asks the engine for those that are left,
//! through the program `docker`, and waits for those that the engine is making just then.

use std::fmt::Display;
use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use nix::unistd::Pid;

use crate::DriveError;

/// The environment variable that marks every process of a run.
pub(super) const MARKER: &str = "SPANWISE_RUN";

/// POSIX shell. `kill -s KILL -- -GROUP` is the form that every shell understands; `$1` is `MARKER=RUN`, `$2` the run's
/// folder. Both sweeps are repeated: a process may start another while it runs, and an engine goes on making what it was asked for
/// when nobody waits for the answer any more. What it was asked for and has not answered stands in `asked`, and is waited for. The
/// status of `grep` says nothing, because processes come and go under it.
const SCRIPT: &str = r#"
trap "" INT TERM HUP
groups=
label=
asked=
without() { left=; for one in $2; do [ "$one" = "$1" ] || left="$left $one"; done; }
while read -r what which; do
  case $what in
  +) groups="$groups $which" ;;
  -) without "$which" "$groups"; groups=$left ;;
  c) label=$which ;;
  a) asked="$asked $which" ;;
  m) without "$which" "$asked"; asked=$left ;;
  esac
done
rm -rf -- "$2"
for g in $groups; do kill -s KILL -- "-$g" 2>/dev/null; done
if [ -e /proc/self/environ ]; then
  for round in 1 2 3 4 5; do
    files=$(grep -l -F -- "$1" /proc/[0-9]*/environ 2>/dev/null)
    [ "$files" ] || break
    for file in $files; do pid=${file#/proc/}; kill -s KILL "${pid%/environ}" 2>/dev/null; done
  done
fi
[ "$label" ] || exit 0
round=0
while [ $round -lt 50 ]; do
  round=$((round + 1))
  again=
  containers=$(docker ps --all --filter "label=$label" --format "{{.Names}}") || break
  [ ! "$containers" ] || docker rm --force --volumes $containers || again=yes
  networks=$(docker network ls --filter "label=$label" --format "{{.Name}}") || break
  [ ! "$networks" ] || docker network rm $networks || again=yes
  for name in $containers $networks; do without "$name" "$asked"; asked=$left; done
  [ "$again$asked" ] || break
  sleep 0.2 || sleep 1
done
"#;

/// What the program `docker` reads, so that it asks the engine that the harness asks.
const ENGINE: [&str; 6] = [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "XDG_RUNTIME_DIR",
];

/// The running watcher. Dropping it makes it do its work and waits for it.
pub(super) struct Watcher {
    run: String,
    folder: PathBuf,
    shell: Mutex<Child>,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Watcher {
    /// Starts the watcher of a run, in a process group of its own so that Ctrl-C does not reach it, and makes the run's
    /// folder, which nobody else may look into.
    pub(super) fn start(run: &str) -> Result<Watcher, DriveError> {
        let folder = std::env::temp_dir().join(format!("spanwise-{run}"));
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "spanwise-watcher"]).arg(format!("{MARKER}={run}")).arg(&folder);
        command.env_clear().envs(super::environment::base()).process_group(0);
        command.envs(ENGINE.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = command.spawn().map_err(DriveError::Watcher)?;
        let pipe = shell.stdin.take();
        let watcher =
            Watcher { run: run.to_owned(), folder, shell: Mutex::new(shell), pipe: Mutex::new(pipe) };
        // Made last: from its first moment on there is somebody to remove it.
        DirBuilder::new().mode(0o700).create(&watcher.folder).map_err(DriveError::Folder)?;
        Ok(watcher)
    }

    /// The run's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The value of [`MARKER`].
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// A group lives.
    pub(super) fn watch(&self, group: Pid) {
        self.say('+', &group);
    }

    /// A group is gone; said before its leader is reaped, because its number may be given anew after that.
    pub(super) fn forget(&self, group: Pid) {
        self.say('-', &group);
    }

    /// There may be containers and networks with this label.
    pub(super) fn watch_containers(&self, label: &str) {
        self.say('c', &label);
    }

    /// An engine is asked for a container or network of this name, which has the label.
    pub(super) fn asked(&self, name: &str) {
        self.say('a', &name);
    }

    /// The engine has answered.
    pub(super) fn answered(&self, name: &str) {
        self.say('m', &name);
    }

    fn say(&self, what: char, which: &dyn Display) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = pipe.as_mut() {
            // A watcher that somebody killed leaves the run without its net, not without its results.
            let _ = pipe.write_all(format!("{what} {which}\n").as_bytes());
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.pipe.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.shell.get_mut().unwrap_or_else(PoisonError::into_inner).wait();
    }
}
