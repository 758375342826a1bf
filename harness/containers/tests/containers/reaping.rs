//! No container and no network outlives the harness, however it ends: this binary starts itself again as a harness, which starts a
//! container and ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use tokio::signal::unix::{SignalKind, signal};

use super::slow_engine::{SlowEngine, Stage};
use super::{Ground, Run, Test, launch, left};

/// The first argument of the harness that this binary starts; the second is how it ends, the third the folder of the service.
pub(super) const HARNESS: &str = "__harness";

pub(super) const TRIALS: [(&str, Test); 6] = [
    ("nothing_is_left_when_the_runtime_is_shut_down_under_it", |ground| check(ground, "shut_down")),
    ("nothing_is_left_when_the_harness_is_killed", |ground| check(ground, "killed")),
    ("nothing_is_left_when_the_harness_is_interrupted", |ground| check(ground, "interrupted")),
    ("nothing_is_left_when_the_harness_exits", |ground| check(ground, "exit")),
    ("nothing_is_left_when_the_harness_panics", |ground| check(ground, "panic")),
    ("nothing_is_left_of_a_container_that_was_being_made", being_made),
];

/// Starts a container, says which run it is, and ends.
pub(super) fn harness(end: &str, folder: &Path) -> ExitCode {
    let Ok(run) = Run::new() else { return ExitCode::FAILURE };
    // Whoever started this may have had interrupts ignored, as a shell does for what runs in its background.
    let interrupted = run.runtime.block_on(async { signal(SignalKind::interrupt()) });
    let Ok(mut interrupted) = interrupted else { return ExitCode::FAILURE };
    if end == "being_made" {
        println!("{}", run.launcher.marker().1);
    }
    let started = run.runtime.block_on(run.engine.start(launch(folder, "serve")));
    let Ok(_service) = started else { return ExitCode::FAILURE };
    println!("{}", run.launcher.marker().1);
    if end == "shut_down" {
        return shut_down(run, folder);
    }
    let _guard = run.runtime.enter();
    match end {
        "exit" => std::process::exit(0),
        "panic" => panic!("as asked"),
        "interrupted" => {
            run.runtime.block_on(interrupted.recv());
            std::process::exit(130)
        }
        _ => loop {
            std::thread::park();
        },
    }
}

/// Ends as a program does that was interrupted: its runtime goes with tasks in it, of which one starts a container just now and one
/// holds another.
fn shut_down(run: Run, folder: &Path) -> ExitCode {
    let Run { runtime, engine, launcher } = run;
    let engine = Arc::new(engine);
    let (running, has_started) = std::sync::mpsc::channel();
    for _ in 0..2 {
        let (engine, launch, running) = (Arc::clone(&engine), launch(folder, "serve"), running.clone());
        runtime.spawn(async move {
            let held = engine.start(launch).await;
            let _ = running.send(());
            std::future::pending::<()>().await;
            drop(held);
        });
    }
    let _ = has_started.recv();
    drop(runtime);
    drop((engine, launcher));
    ExitCode::SUCCESS
}

/// Starts this binary as a harness in a process group of its own; what it is to know of the engine stands in the command. Which run it
/// is.
fn start(command: &mut Command) -> Result<(Child, String), Failed> {
    let mut harness = command.stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn()?;
    let stdout = harness.stdout.take().ok_or("no output")?;
    let run = BufReader::new(stdout).lines().next().ok_or("the harness did not start")??;
    Ok((harness, run))
}

/// The harness is killed while the engine has not answered yet, which makes the container all the same.
fn being_made(ground: &Ground) -> Result<(), Failed> {
    let engine = SlowEngine::start()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([HARNESS, "being_made"]).arg(&ground.folder).env("DOCKER_HOST", engine.host());
    let (mut harness, run) = start(&mut command)?;
    let asked = engine.wait_for(Stage::Asked);
    harness.kill()?;
    harness.wait()?;
    asked?;
    engine.wait_for(Stage::Made)?;
    until_nothing_is_left(&run, Instant::now() + Duration::from_secs(60))
}

fn check(ground: &Ground, end: &str) -> Result<(), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    let (mut harness, run) = start(command.args([HARNESS, end]).arg(&ground.folder))?;
    match end {
        "killed" => harness.kill()?,
        "interrupted" => {
            // As Ctrl-C does: to the whole group, whatever the harness started in it.
            let group = format!("-{}", harness.id());
            let interrupt = Command::new("kill").args(["-s", "INT", "--", &group]).status()?;
            assert!(interrupt.success(), "the signal is sent");
        }
        _ => {}
    }
    let latest = Instant::now() + Duration::from_secs(60);
    while harness.try_wait()?.is_none() {
        if Instant::now() > latest {
            harness.kill()?;
            return Err("the harness does not end".into());
        }
        // waits on purpose: an end that does not come can only be seen in time.
        std::thread::sleep(Duration::from_millis(20));
    }
    until_nothing_is_left(&run, latest)
}

fn until_nothing_is_left(run: &str, latest: Instant) -> Result<(), Failed> {
    loop {
        let left = left(run)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > latest {
            return Err(format!("left of run {run}: {left:?}").into());
        }
        // waits on purpose: the engine tells nobody that a container is gone; it has to be asked again.
        std::thread::sleep(Duration::from_millis(50));
    }
}
