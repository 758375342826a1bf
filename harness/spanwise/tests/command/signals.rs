//! Ctrl-C and SIGTERM as a user sends them: what is told, and that nothing is left running.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use crate::support::{SUITE, folder};
use tempfile::TempDir;

/// A run of a suite whose services hold a pipe for as long as they live.
struct Running {
    _folder: TempDir,
    alive: BufReader<File>,
    spanwise: Child,
}

impl Running {
    /// Starts a run; every service of `suite` opens the file `alive` for writing.
    fn start(suite: &str, arguments: &[&str]) -> Running {
        let folder = folder(&[("small.yaml", suite)]);
        let pipe = folder.path().join("alive");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.arg("run").arg("small.yaml").args(arguments).current_dir(folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut until_end, held) = std::io::pipe().expect("a pipe");
        let spanwise = command.stdin(held).spawn().expect("the binary runs");
        // What was spawned is the only one that holds it then.
        drop(command);
        let unopened = pipe.clone();
        std::thread::spawn(move || {
            // Where the run is over and no service opened the pipe, nobody must wait for one any more.
            let _ = until_end.read_to_end(&mut Vec::new());
            let _ = File::options().read(true).write(true).open(unopened);
        });
        let alive = BufReader::new(File::open(&pipe).expect("the pipe"));
        Running { _folder: folder, alive, spanwise }
    }

    /// Waits for a line of a service.
    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        if self.alive.read_line(&mut line).expect("a line") == 0 {
            let mut told = String::new();
            self.spanwise.stderr.take().map(|mut stderr| stderr.read_to_string(&mut told));
            panic!("no service is left that could write: {told}");
        }
        line
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.spanwise.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until nothing holds the pipe any more and the run is over.
    fn end(mut self) -> (Output, String) {
        let mut rest = String::new();
        self.alive.read_to_string(&mut rest).expect("an end");
        (self.spanwise.wait_with_output().expect("it ends"), rest)
    }
}

/// The suite with a shell in place of the service.
fn with_shell(script: &str) -> String {
    let script = format!("command: [sh, -c, \"exec 3>alive; {script}\"]\n    ready: line");
    SUITE.replace("demo: backend-service", &script)
}

/// The suite with the real service in a shell that says what becomes of it.
fn wrapped(traps: &str) -> String {
    let program = env!("CARGO_BIN_EXE_spanwise");
    with_shell(&format!(
        "{traps} {program} __demo-service backend-service & echo started >&3; wait $!; wait $!"
    ))
}

#[test]
fn a_run_that_starts_nothing_is_not_waited_for() {
    let (output, written) = Running::start("suite: [", &[]).end();
    assert_eq!((output.status.code(), written.as_str()), (Some(2), ""));
}

/// Ends a run by a signal while its service is not ready yet.
#[track_caller]
fn check(signal: &str) {
    let mut run = Running::start(&with_shell("echo started >&3; exec sleep 600"), &[]);
    assert_eq!(run.line(), "started\n");
    run.signal(signal);
    let (output, _) = run.end();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("spanwise: ending the services; once more kills them"), "{told}");
    assert!(told.contains("spanwise: interrupted"), "{told}");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.contains("when the run was broken off"), "{report}");
}

#[test]
fn an_interrupted_run_leaves_nothing_running() {
    check("INT");
    check("TERM");
}

#[test]
fn an_interrupted_run_tells_what_is_known_and_ends_services_in_order() {
    // The second case waits for a span that never comes, so the run cannot end by itself before the signal.
    let suite = wrapped("trap 'kill -s TERM $!; echo told to end >&3' TERM;")
        .replace("    flushes-on-sigterm: true\n", "")
        + "  silent:\n    services: { backend-service: { env: { OTEL_TRACES_EXPORTER: none } } }\n    grpc: { to: \
           backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }\n";
    let mut run = Running::start(&suite, &["--json", "report.json"]);
    assert_eq!(run.line(), "started\n");
    assert_eq!(run.line(), "started\n");
    // The first case is told of when its services are gone.
    assert_eq!(run.line(), "told to end\n");
    run.signal("INT");
    let (output, rest) = run.end();
    assert_eq!(rest, "told to end\n", "the other services were not ended in order");
    assert_eq!(output.status.code(), Some(3));
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(report.ends_with("1 permutation: 1 passed when the run was broken off\n"), "{report}");
}

#[test]
fn the_second_signal_kills_at_once() {
    let mut run = Running::start(&wrapped("trap 'echo not yet >&3' TERM;"), &["--keep-running"]);
    assert_eq!(run.line(), "started\n");
    let mut told = BufReader::new(run.spanwise.stderr.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("stay up until Ctrl-C") {
        line.clear();
        assert_ne!(told.read_line(&mut line).expect("text"), 0, "it ended");
    }
    run.signal("INT");
    // The service has heard it, and goes on.
    assert_eq!(run.line(), "not yet\n");
    run.signal("INT");
    let (output, _) = run.end();
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn services_that_are_kept_can_be_reached_after_the_report() {
    let suite = wrapped("trap 'kill -s TERM $!' TERM;");
    let mut run = Running::start(&suite, &["--keep-running"]);
    assert_eq!(run.line(), "started\n");
    let mut told = BufReader::new(run.spanwise.stderr.take().expect("its output"))
        .lines()
        .map(|line| line.expect("text"));
    assert!(told.by_ref().any(|line| line == "spanwise: the services stay up until Ctrl-C:"));
    let addresses: Vec<String> = told.by_ref().take(3).collect();
    for (line, what) in addresses.iter().zip([
        "backend-service itself",
        "backend-service from driver, insecure",
        "what backend-service exports to",
    ]) {
        let (said, url) = line.trim().split_once("  ").expect("two columns");
        assert_eq!(said, what);
        let address = url.trim().strip_prefix("http://").expect("a URL");
        assert!(std::net::TcpStream::connect(address).is_ok(), "nothing listens at {line}");
    }
    let mut report = String::new();
    let mut out = BufReader::new(run.spanwise.stdout.take().expect("its output"));
    while !report.contains("1 permutation: 1 passed in") {
        assert_ne!(out.read_line(&mut report).expect("text"), 0, "no report before the end: {report}");
    }
    run.signal("TERM");
    let (output, _) = run.end();
    assert_eq!(output.status.code(), Some(0));
}
