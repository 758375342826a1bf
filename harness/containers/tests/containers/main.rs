//! Services in containers: what they reach, how they are reached, what is said when they do not start, and that nothing of them
//! outlives the harness. Needs a container engine and no image: everything is built FROM scratch.
//!
//! Where no engine answers every trial is ignored, with the reason; with `SPANWISE_REQUIRE=containers`, as in CI, it fails.

mod reaping;
mod slow_engine;
mod starting;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use spanwise_containers::{Build, ContainerLaunch, Engine, Image, mark};
use spanwise_drive::{Launch, Launcher, Ready};
use spanwise_model::Source;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, end, folder] = arguments.as_slice()
        && first == reaping::HARNESS
    {
        return reaping::harness(end, Path::new(folder));
    }
    let arguments = Arguments::from_args();
    let ground = if arguments.list { Err("listed".to_owned()) } else { Ground::new() };
    let ground = Arc::new(ground);
    let trials = starting::TRIALS.into_iter().chain(reaping::TRIALS).map(|(name, test)| {
        let ground = Arc::clone(&ground);
        Trial::ignorable_test(name, move || match ground.as_ref() {
            Ok(ground) => test(ground).map(|()| Completion::Completed),
            Err(missing) if is_required() => Err(missing.into()),
            Err(missing) => Ok(Completion::ignored_with(missing.clone())),
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn is_required() -> bool {
    std::env::var("SPANWISE_REQUIRE").is_ok_and(|tools| tools.split(',').any(|tool| tool == "containers"))
}

/// What a trial does.
type Test = fn(&Ground) -> Result<(), Failed>;

/// What all trials stand on: a folder with the service, and an engine that answers.
struct Ground {
    /// The same every time, and so the image that is built from it, which is kept.
    folder: PathBuf,
}

impl Ground {
    fn new() -> Result<Ground, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers");
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let runtime = Runtime::new().map_err(|error| error.to_string())?;
        let launcher = Launcher::new().map_err(|error| error.to_string())?;
        runtime.block_on(Engine::connect(&launcher)).map_err(|error| error.to_string())?;
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/containers/service.rs");
        let mut rustc = Command::new("rustc");
        rustc.args([
            "--edition",
            "2024",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
        ]);
        rustc.args(["--target", "x86_64-unknown-linux-gnu", "-o"]).arg(folder.join("service")).arg(source);
        let output = rustc.output().map_err(|error| format!("rustc: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let dockerfile = "FROM scratch\nCOPY service /service\nENTRYPOINT [\"/service\"]\n";
        std::fs::write(folder.join("Dockerfile"), dockerfile).map_err(|error| error.to_string())?;
        Ok(Ground { folder })
    }
}

/// A run with an engine of its own.
struct Run {
    runtime: Runtime,
    engine: Engine,
    launcher: Launcher,
}

impl Run {
    fn new() -> Result<Run, Failed> {
        let runtime = Runtime::new()?;
        let launcher = Launcher::new()?;
        let engine = runtime.block_on(Engine::connect(&launcher))?;
        Ok(Run { runtime, engine, launcher })
    }

    /// Ends the run, after which the engine must have nothing more of it.
    fn end(self) -> Result<(), Failed> {
        let run = self.launcher.marker().1.to_owned();
        drop(self);
        let left = left(&run)?;
        if left.is_empty() { Ok(()) } else { Err(format!("left: {left:?}").into()) }
    }
}

/// The service of these tests, as this kind.
fn launch(folder: &Path, kind: &str) -> ContainerLaunch {
    let dockerfile: PathBuf = folder.join("Dockerfile");
    let build = Build { dockerfile, context: folder.to_owned(), args: Vec::new() };
    ContainerLaunch {
        args: vec![kind.to_owned()],
        env: vec![("PORT".to_owned(), Launch::PORT.to_owned())],
        ready: Ready::Port,
        ..ContainerLaunch::new(Source::new("service", 1), Image::Built(build))
    }
}

/// What the engine still has of a run, by the program that a person would ask.
fn left(run: &str) -> Result<Vec<String>, Failed> {
    let label = format!("label={}", mark(run));
    let ask = |what: &[&str]| {
        let output = Command::new("docker").args(what).args(["--quiet", "--filter", &label]).output()?;
        Ok::<_, Failed>(
            String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect::<Vec<_>>(),
        )
    };
    Ok([ask(&["ps", "--all"])?, ask(&["network", "ls"])?].concat())
}
