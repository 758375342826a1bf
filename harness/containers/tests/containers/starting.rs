//! What a service in a container reaches, how it is reached, and what is said of one that does not start.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Failed;
use spanwise_containers::{Build, Container, ContainerLaunch, Image, Name, mark};
use spanwise_drive::{Instance as _, Ready};
use spanwise_model::ProcessEventKind;

use super::{Ground, Run, Test, launch};

pub(super) const TRIALS: [(&str, Test); 10] = [
    ("a_service_reaches_what_is_outside_and_is_reached", reaches),
    ("a_service_that_listens_on_loopback_alone_is_not_ready", loopback),
    ("a_service_that_listens_where_its_image_says_is_found_there", elsewhere),
    ("a_container_that_exits_says_its_code_and_last_lines", exits),
    ("a_service_that_never_gets_ready_says_what_was_waited_for", stuck),
    ("an_image_that_does_not_build_says_what_the_build_wrote", does_not_build),
    ("an_image_that_takes_too_long_is_given_up", takes_too_long),
    ("an_image_that_is_nowhere_says_so", nowhere),
    ("what_the_engine_keeps_of_output_is_bounded", bounded),
    ("a_paused_container_does_not_answer_until_it_goes_on", frozen),
];

/// Says a word to whoever connects, for as long as the test runs.
fn word(word: &'static str) -> std::io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(word.as_bytes());
        }
    });
    Ok(port)
}

fn ask(address: SocketAddr, question: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn started(run: &Run, launch: ContainerLaunch) -> Result<Container, Failed> {
    Ok(run.runtime.block_on(run.engine.start(launch))?)
}

fn reaches(ground: &Ground) -> Result<(), Failed> {
    let run = Run::new()?;
    let (outside, trace, token, closed) = (word("outside")?, word("trace")?, word("token")?, word("closed")?);
    let mut launch = launch(&ground.folder, "serve");
    launch.loopback.insert(outside);
    let name = |host: &str, leads_to| Name { host: host.to_owned(), port: 443, leads_to };
    launch.names = vec![name("cloudtrace.googleapis.com", trace), name("oauth2.googleapis.com", token)];
    launch.files.push(("/ca.pem".to_owned(), b"a certificate".to_vec()));
    let service = started(&run, launch)?;
    let check = |question: String, expected: &str| {
        let answer = ask(service.addr(), &question)?;
        if answer == expected { Ok(()) } else { Err(Failed::from(format!("{question}: {answer}"))) }
    };
    check(format!("127.0.0.1:{outside}"), "outside")?;
    check(format!("localhost:{outside}"), "outside")?;
    check("cloudtrace.googleapis.com:443".to_owned(), "trace")?;
    check("oauth2.googleapis.com:443".to_owned(), "token")?;
    check(format!("127.0.0.1:{closed}"), "connection refused")?;
    check("/ca.pem".to_owned(), "a certificate")?;
    // More at once than there are connections ready.
    std::thread::scope(|scope| {
        let asked = (0..40).map(|_| scope.spawn(|| check(format!("127.0.0.1:{outside}"), "outside")));
        let asked: Vec<_> = asked.collect();
        asked.into_iter().try_for_each(|one| one.join().map_err(|_| Failed::from("a panic"))?)
    })?;
    let logs = service.logs();
    if !logs.iter().any(|log| log.line == "serve with PORT=8080") {
        return Err(format!("{logs:?}").into());
    }
    // Its first process does not listen to SIGTERM, which then does nothing to it.
    let events = run.runtime.block_on(service.terminate(Duration::from_millis(200)));
    let kinds: Vec<ProcessEventKind> = events.into_iter().map(|event| event.kind).collect();
    use ProcessEventKind::{Exited, Killed, Ready, Spawned, Terminated};
    if kinds != [Spawned, Ready, Terminated, Killed, Exited { code: None, signal: Some(9) }] {
        return Err(format!("{kinds:?}").into());
    }
    drop(service);
    run.end()
}

/// The error of a service that does not start has all these parts.
fn check(launch: ContainerLaunch, expected: &[&str]) -> Result<(), Failed> {
    let run = Run::new()?;
    let Err(error) = run.runtime.block_on(run.engine.start(launch)) else { return Err("it started".into()) };
    let error = error.to_string();
    if let Some(part) = expected.iter().find(|part| !error.contains(**part)) {
        return Err(format!("{part:?} is not in: {error}").into());
    }
    run.end()
}

fn loopback(ground: &Ground) -> Result<(), Failed> {
    let launch =
        ContainerLaunch { ready_within: Duration::from_secs(2), ..launch(&ground.folder, "serve-loopback") };
    check(launch, &["service was not ready after 2000 ms", "port 8080 of the container", "refused"])
}

fn elsewhere(ground: &Ground) -> Result<(), Failed> {
    let dockerfile = ground.folder.join("Dockerfile.exposes");
    let text = "FROM scratch\nCOPY service /service\nEXPOSE 9000\nENTRYPOINT [\"/service\"]\n";
    std::fs::write(&dockerfile, text)?;
    let image = Image::Built(Build { dockerfile, context: ground.folder.clone(), args: Vec::new() });
    let launch = ContainerLaunch {
        image,
        env: vec![("PORT".to_owned(), "9000".to_owned())],
        ready_within: Duration::from_secs(2),
        ..launch(&ground.folder, "serve")
    };
    check(
        launch,
        &["; it listens at port 9000, which its image exposes, and not at its `container-port`, 8080"],
    )
}

fn exits(ground: &Ground) -> Result<(), Failed> {
    let expected = ["service exited with code 7 before it was ready", "\n  the reason why it does not start"];
    check(launch(&ground.folder, "7"), &expected)
}

fn stuck(ground: &Ground) -> Result<(), Failed> {
    let launch = ContainerLaunch {
        ready: Ready::Line,
        ready_within: Duration::from_secs(2),
        ..launch(&ground.folder, "stuck")
    };
    check(launch, &["was not ready after 2000 ms: no JSON line", "\n  stuck with PORT=8080"])
}

fn does_not_build(ground: &Ground) -> Result<(), Failed> {
    let dockerfile = ground.folder.join("Dockerfile.broken");
    std::fs::write(&dockerfile, "FROM scratch\nCOPY nothing-of-this-name /\n")?;
    let context = ground.folder.clone();
    let image = Image::Built(Build { dockerfile, context, args: Vec::new() });
    let launch = ContainerLaunch { image, ..launch(&ground.folder, "serve") };
    check(launch, &["Dockerfile.broken does not build", "\n  ", "nothing-of-this-name"])
}

fn takes_too_long(ground: &Ground) -> Result<(), Failed> {
    let launch = ContainerLaunch { image_within: Duration::ZERO, ..launch(&ground.folder, "serve") };
    check(launch, &["the image of ", "Dockerfile was not there after 0 s, and what makes it was ended"])
}

fn nowhere(ground: &Ground) -> Result<(), Failed> {
    // The name is one that no registry can have: nothing is asked outside of this machine.
    let image = Image::Named("127.0.0.1:1/nothing-of-this-name".to_owned());
    let launch = ContainerLaunch { image, ..launch(&ground.folder, "serve") };
    check(launch, &["the image 127.0.0.1:1/nothing-of-this-name is not on this machine and cannot be pulled"])
}

fn bounded(ground: &Ground) -> Result<(), Failed> {
    let run = Run::new()?;
    let service = started(&run, launch(&ground.folder, "serve"))?;
    let filter = format!("label={}", mark(run.launcher.marker().1));
    let listed = Command::new("docker").args(["ps", "--quiet", "--filter", &filter]).output()?.stdout;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let mut inspect = Command::new("docker");
    inspect.args(["inspect", "--format", "{{.HostConfig.LogConfig}}"]).args(listed.split_whitespace());
    let kept = String::from_utf8_lossy(&inspect.output()?.stdout).into_owned();
    drop(service);
    // The service's own and that of its network.
    if kept.lines().count() != 2 || !kept.lines().all(|one| one.contains("max-size:64m")) {
        return Err(kept.into());
    }
    run.end()
}

fn frozen(ground: &Ground) -> Result<(), Failed> {
    let run = Run::new()?;
    let service = started(&run, launch(&ground.folder, "serve"))?;
    let guard = run.runtime.enter();
    service.freeze();
    let address = service.addr();
    let answer = std::thread::spawn(move || ask(address, "/etc/hostname").map(|_| std::time::Instant::now()));
    // waits on purpose: that nothing comes can only be seen in time.
    std::thread::sleep(Duration::from_millis(300));
    let (is_quiet, thawed) = (!answer.is_finished(), std::time::Instant::now());
    service.thaw();
    let answered = answer.join().map_err(|_| "a panic")??;
    let kinds: Vec<ProcessEventKind> = service.events().into_iter().map(|event| event.kind).collect();
    drop((service, guard));
    use ProcessEventKind::{Frozen, Ready, Spawned, Thawed};
    if !is_quiet || answered < thawed || kinds != [Spawned, Ready, Frozen, Thawed] {
        return Err(format!("quiet {is_quiet}, {kinds:?}").into());
    }
    run.end()
}
