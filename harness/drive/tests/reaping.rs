//! Nothing that was started outlives the harness, however it ends.
//!
//! This binary starts itself again as a harness, which starts a service with a child and a child that left its group.
//! All three hold a pipe open; that it comes to its end proves that they are gone. The run's folder goes before them.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use spanwise_drive::{Instance as _, Launch, Launcher, Service};
use spanwise_model::Source;

/// The first argument of the harness that this binary starts; the second is how it ends, the third the pipe.
const HARNESS: &str = "__harness";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, end, pipe] = arguments.as_slice()
        && first == HARNESS
    {
        return harness(end, pipe);
    }
    // In a test that says so, the service is frozen when the harness ends.
    let ends = ["killed", "panic", "exit", "dropped", "killed_while_frozen", "dropped_while_frozen"];
    let trials = ends
        .map(|end| Trial::test(format!("nothing_survives_when_the_harness_is_{end}"), move || check(end)));
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Starts the services, says so, and ends.
fn harness(end: &str, pipe: &str) -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let launcher = Launcher::new().expect("a watcher");
    std::fs::write(launcher.folder().join("a file"), end).expect("a folder");
    let service: Service = runtime.block_on(launcher.start(service(pipe))).expect("a service");
    if end.ends_with("while_frozen") {
        service.freeze();
    }
    println!("{}", launcher.folder().display());
    match end {
        "killed" | "killed_while_frozen" => loop {
            std::thread::park();
        },
        "panic" => panic!("as asked"),
        // No destructor runs.
        "exit" => std::process::exit(0),
        _ => drop((service, launcher)),
    }
    ExitCode::SUCCESS
}

fn service(pipe: &str) -> Launch {
    // setsid is where process groups end; it is not on every system, and then the third process is a plain child.
    let script = r#"
        exec 9>"$1"
        echo leader >&9
        sleep 600 &
        if command -v setsid >/dev/null; then setsid sleep 600 & else sleep 600 & fi
        echo '{"message":"listening","address":"127.0.0.1:1"}'
        wait
    "#;
    let mut launch = Launch::new(Source::new("service", 1), "sh");
    launch.args = ["-c", script, "service", pipe].map(str::to_owned).to_vec();
    launch
}

/// Starts a harness, ends it, and waits for the end of the pipe that everything it started holds.
fn check(end: &str) -> Result<(), Failed> {
    let pipe = Pipe::new(end)?;
    let mut harness = Command::new(std::env::current_exe()?)
        .args([HARNESS, end, &pipe.path.to_string_lossy()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let gone = pipe.gone();
    let folder = first_line(&mut harness)?;
    if end.starts_with("killed") {
        harness.kill()?;
    }
    let lines = gone.recv_timeout(Duration::from_secs(60));
    if lines.is_err() {
        // Something lives on; this keeps the harness from doing so, too.
        harness.kill()?;
    }
    harness.wait()?;
    // A harness that ends by itself has removed its folder by then. Of one that is killed the watcher does, and may be a moment
    // behind the kernel, which ends stopped processes that lost their parent.
    let latest = Instant::now() + Duration::from_secs(60);
    while folder.exists() {
        if !end.starts_with("killed") || Instant::now() > latest {
            return Err("the run's folder is still there".into());
        }
        // waits on purpose: a folder tells nobody that it is removed; it has to be looked for again.
        std::thread::sleep(Duration::from_millis(1));
    }
    match lines {
        Ok(lines) if lines == ["leader"] => Ok(()),
        Ok(lines) => Err(format!("the service wrote {lines:?}").into()),
        Err(_) => Err("something that the harness started still lives".into()),
    }
}

/// The run's folder, which the harness names once its service runs.
fn first_line(harness: &mut Child) -> Result<PathBuf, Failed> {
    let stdout = harness.stdout.take().ok_or("no output")?;
    let line = BufReader::new(stdout).lines().next().ok_or("the harness did not start")??;
    Ok(PathBuf::from(line))
}

/// A named pipe.
struct Pipe {
    path: PathBuf,
}

impl Pipe {
    fn new(name: &str) -> Result<Pipe, Failed> {
        let path = std::env::temp_dir().join(format!("spanwise-pipe-{}-{name}", std::process::id()));
        let made = Command::new("mkfifo").arg(&path).status()?;
        if made.success() { Ok(Pipe { path }) } else { Err("no named pipe".into()) }
    }

    /// Reads the pipe on a thread, and sends what was read when its last writer is gone.
    fn gone(&self) -> mpsc::Receiver<Vec<String>> {
        let (sender, receiver) = mpsc::channel();
        let path = self.path.clone();
        std::thread::spawn(move || {
            let lines =
                File::open(path).map(|pipe| BufReader::new(pipe).lines().map_while(Result::ok).collect());
            let _ = sender.send(lines.unwrap_or_default());
        });
        receiver
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
