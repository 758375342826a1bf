//! Starting services: when they are ready, what they write, how they end. The services are shell scripts.

use std::time::Duration;

use spanwise_drive::{Build, DriveError, Instance as _, Launch, Launcher, Ready, Running, Service};
use spanwise_model::{Evidence, ProcessEventKind, Source, Stream};
use tokio::net::TcpSocket;

const READY: &str = r#"echo '{"severity":"INFO","message":"listening","address":"127.0.0.1:40123"}'"#;
const LONG: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Launch {
    let mut launch = Launch::new(Source::new("service", 1), "sh");
    launch.args = vec!["-c".to_owned(), script.to_owned()];
    launch.ready_within = LONG;
    launch
}

async fn start(script: &str) -> Result<Service, DriveError> {
    Launcher::new().expect("a watcher").start(shell(script)).await
}

/// Starts a script that does not get ready and compares the message.
async fn check_failure(launch: Launch, expected: &str) {
    match Launcher::new().expect("a watcher").start(launch).await {
        Ok(service) => panic!("{} is ready", service.source()),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

/// Ends a ready script and compares what happened to it.
async fn check_end(script: &str, grace: Duration, expected: &[ProcessEventKind]) {
    let service = start(script).await.expect("a service");
    let events: Vec<ProcessEventKind> =
        service.terminate(grace).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_service_is_ready_by_its_line() {
    let service = start(&format!("echo first; {READY}; exec sleep 600")).await.expect("a service");
    assert_eq!(service.addr().to_string(), "127.0.0.1:40123");
    let lines = service.logs();
    assert_eq!((lines[0].line.as_str(), lines[0].stream), ("first", Stream::Stdout));
    assert!(lines[0].time > 0);
}

#[tokio::test]
async fn a_service_that_ends_too_early_says_its_last_lines() {
    let expected = "service exited with code 3 before it was ready\n  no configuration";
    check_failure(shell("echo no configuration >&2; exit 3"), expected).await;
    check_failure(shell("kill -s KILL $$"), "service was ended by signal 9 before it was ready").await;
}

#[tokio::test]
async fn a_service_that_is_never_ready_is_given_up() {
    let mut launch = shell("echo thinking; exec sleep 600");
    launch.ready_within = Duration::from_secs(2);
    let expected = "service was not ready after 2000 ms: no JSON line with \"message\":\"listening\" and its \
                    \"address\"\n  thinking";
    check_failure(launch, expected).await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let launch = Launch::new(Source::new("service", 1), "/no/such/program");
    let expected = "could not start \"/no/such/program\": No such file or directory (os error 2)";
    check_failure(launch, expected).await;
    let launch = Launch::new(Source::new("service", 1), "no-such-program");
    let expected = "could not start \"no-such-program\": no folder of PATH has such a program; install it, or write where it is";
    check_failure(launch, expected).await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_replaced_by_another() {
    // The first process finds its port taken; only with another one does it go on.
    let folder = std::env::temp_dir().join(format!("spanwise-port-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut launch = shell(
        "echo {{port}} >> ports; [ $(wc -l < ports) -ge 2 ] || { echo 'bind: Address already in use' >&2; \
         yes 'and a long trace' | head -n 100 >&2; exit 1; }; exit 7",
    );
    launch.ready = Ready::Port;
    launch.folder = Some(folder.clone());
    check_failure(launch, "service exited with code 7 before it was ready").await;
    let ports = std::fs::read_to_string(folder.join("ports")).expect("the ports");
    std::fs::remove_dir_all(&folder).expect("the folder to go");
    let ports: Vec<u16> = ports.lines().map(|port| port.parse().expect("a port")).collect();
    assert_eq!(ports.len(), 2);
    assert_ne!(ports[0], ports[1]);
    assert!(ports.iter().all(|port| (20_000..32_000).contains(port)), "{ports:?}");
}

#[tokio::test]
async fn the_environment_holds_what_is_given_and_nothing_that_steers_telemetry() {
    let mut launch = shell(&format!("env; {READY}; exec sleep 600"));
    launch.env =
        vec![("PORT".to_owned(), Launch::PORT.to_owned()), ("OTEL_GIVEN".to_owned(), "1".to_owned())];
    let service = Launcher::new().expect("a watcher").start(launch).await.expect("a service");
    let lines: Vec<String> = service.logs().into_iter().map(|record| record.line).collect();
    let has = |start: &str| lines.iter().any(|line| line.starts_with(start));
    assert!(has("PORT=0") && has("OTEL_GIVEN=1") && has("PATH=") && has("SPANWISE_RUN="), "{lines:?}");
    assert!(!has("CARGO_MANIFEST_DIR="), "{lines:?}");
}

#[tokio::test]
async fn a_service_ends_on_sigterm_and_is_killed_when_it_ignores_it() {
    use ProcessEventKind::{Exited, Killed, Ready, Spawned, Terminated};
    let obeys = format!("trap 'exit 5' TERM; {READY}; while :; do sleep 600 & wait; done");
    let exited = Exited { code: Some(5), signal: None };
    check_end(&obeys, LONG, &[Spawned, Ready, Terminated, exited]).await;
    let ignores = format!("trap '' TERM; {READY}; while :; do sleep 600 & wait; done");
    let killed = Exited { code: None, signal: Some(9) };
    check_end(&ignores, Duration::from_millis(100), &[Spawned, Ready, Terminated, Killed, killed]).await;
}

#[tokio::test]
async fn what_is_written_at_the_end_is_still_read() {
    let script = format!("trap 'echo flushed; exit 0' TERM; {READY}; while :; do sleep 600 & wait; done");
    let service = start(&script).await.expect("a service");
    service.terminate(LONG).await;
    assert_eq!(service.logs().last().map(|record| record.line.clone()), Some("flushed".to_owned()));
}

#[tokio::test]
async fn a_flood_of_output_neither_blocks_the_service_nor_is_kept() {
    let service =
        start(&format!("yes flood | head -n 200000; {READY}; exec sleep 600")).await.expect("a service");
    assert!(service.logs().len() <= 25_000);
    assert!(service.dropped_lines() > 170_000);
}

/// A folder with files that can be run, which goes with what is given back.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("the mode");
    }
    folder
}

#[tokio::test]
async fn a_relative_program_begins_at_the_folder() {
    let folder =
        folder(&[("serve", &format!("#!/bin/sh\ncat here\n{READY}\nexec sleep 600\n")), ("here", "it is\n")]);
    let mut launch = Launch::new(Source::new("service", 1), "./serve");
    launch.folder = Some(folder.path().to_owned());
    let service = Launcher::new().expect("a watcher").start(launch).await.expect("a service");
    assert!(service.logs()[0].line.starts_with("it is"), "{:?}", service.logs());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let mut launch = shell(READY);
    launch.folder = Some("/no/such/folder".into());
    check_failure(launch, "there is no folder /no/such/folder to start service in").await;
}

/// Runs a command that builds; the message of its error, if there is one.
async fn built(words: &[&str], folder: Option<&std::path::Path>) -> Result<(), String> {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    let build = Build { words, folder: folder.map(ToOwned::to_owned) };
    let built = Launcher::new().expect("a watcher").build("service", &build, LONG).await;
    built.map_err(|error| error.to_string())
}

#[tokio::test]
async fn what_builds_runs_in_its_folder_with_the_environment_of_the_harness() {
    // Cargo sets this for its tests, and services do not get it.
    let script = "#!/bin/sh\n[ \"$CARGO_MANIFEST_DIR\" ] && echo made > made\n";
    let folder = folder(&[("make-it", script)]);
    built(&["./make-it"], Some(folder.path())).await.expect("it is built");
    assert_eq!(std::fs::read_to_string(folder.path().join("made")).expect("the file"), "made\n");
}

#[tokio::test]
async fn what_does_not_build_says_its_last_lines() {
    let failed = built(&["sh", "-c", "echo half; echo no luck >&2; exit 2"], None).await;
    let expected = "`sh -c echo half; echo no luck >&2; exit 2`, which builds service, exited with code 2\n  half\n  no luck";
    assert_eq!(failed, Err(expected.to_owned()));
    let missing = built(&["/no/such/compiler"], None).await;
    assert!(
        missing.is_err_and(|error| error.starts_with("could not start \"/no/such/compiler\": No such file"))
    );
}

#[tokio::test]
async fn a_build_that_does_not_end_is_killed_with_what_it_started() {
    let words = ["sh", "-c", "echo asks; sleep 600 & sleep 600"].map(str::to_owned).to_vec();
    let build = Build { words, folder: None };
    let launcher = Launcher::new().expect("a watcher");
    let failed =
        launcher.build("service", &build, Duration::from_secs(1)).await.expect_err("it does not end");
    // The child holds the pipe: were it left running, reading would not come to its end within a second.
    let expected = "`sh -c echo asks; sleep 600 & sleep 600`, which builds service, still ran after 1 s and was killed\n  asks";
    assert_eq!(failed.to_string(), expected);
}

#[tokio::test]
async fn a_service_that_runs_already_is_found_where_it_is() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let source = Source::new("service", 1);
    let address = format!("localhost:{port}");
    let found = Running::find(source.clone(), &address, &Ready::Port, LONG).await;
    let running = found.expect("it is there");
    assert_eq!(running.addr().port(), port);
    assert!(
        !running.shows(Evidence::Logs) && !running.shows(Evidence::Process) && running.shows(Evidence::Wire)
    );
    assert_eq!(running.terminate(LONG).await, []);
    // Bound and not listening: nobody else can take the port.
    let bound = TcpSocket::new_v4().expect("a socket");
    bound.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = bound.local_addr().expect("an address").to_string();
    let gone = Running::find(source, &address, &Ready::Port, Duration::from_millis(50)).await;
    let gone = gone.expect_err("nobody is there").to_string();
    let expected = format!(
        "nothing serves at {address}, where service should run already: for 50 ms no connection to its port"
    );
    assert!(gone.starts_with(&expected), "{gone}");
}

/// Runs a script and compares its exit code, or what ended it, and what it wrote to standard output.
async fn check_command(script: &str, within: Duration, code: Result<i32, &str>, stdout: &str) {
    let ended = Launcher::new().expect("a watcher").run(&shell(script), within).await.expect("it starts");
    assert_eq!(
        (ended.code.as_ref().map(|code| *code).map_err(String::as_str), &*ended.stdout()),
        (code, stdout)
    );
}

#[tokio::test]
async fn a_command_is_run_to_its_end() {
    check_command("echo a; echo b >&2; printf c", LONG, Ok(0), "a\nc").await;
    check_command("exit 7", LONG, Ok(7), "").await;
    check_command("kill -s TERM $$", LONG, Err("was ended by signal 15"), "").await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let within = Duration::from_millis(500);
    let expected = Err("still ran after 500 ms and was killed");
    // The child holds the pipe: were it left running, reading would not come to its end within a second.
    check_command("echo begun; sleep 600 & sleep 600", within, expected, "begun").await;
}
