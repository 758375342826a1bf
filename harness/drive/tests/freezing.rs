//! Services that lose their processor and get it back, and how such ones end. The services are shell scripts.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use spanwise_drive::{Instance as _, Launch, Launcher, Service};
use spanwise_model::{ProcessEventKind, Source};

const LONG: Duration = Duration::from_secs(30);
/// Two processes; the first obeys SIGTERM, and says so by its exit code.
const OBEYS: &str = r#"
    trap 'exit 5' TERM
    sleep 600 &
    echo '{"message":"listening","address":"127.0.0.1:1"}'
    while :; do wait; done
"#;

async fn start() -> Service {
    let mut launch = Launch::new(Source::new("service", 1), "sh");
    launch.args = ["-c", OBEYS].map(str::to_owned).to_vec();
    Launcher::new().expect("a watcher").start(launch).await.expect("a service")
}

fn pid(service: &Service) -> Pid {
    Pid::from_raw(service.pid().expect("a process").cast_signed())
}

/// What is done to a service.
#[derive(Clone, Copy)]
enum Do {
    Freeze,
    Thaw,
    Terminate,
    /// Freezes it once SIGTERM is sent, before its end was waited for.
    TerminateAndFreeze,
    Kill,
    /// Somebody else kills it.
    Lose,
}

/// Does it all to a service that is ready and compares what happened from then on; each stamp is later than the one before.
async fn check(all: &[Do], expected: &[ProcessEventKind]) {
    let service = start().await;
    for what in all {
        match what {
            Do::Freeze => service.freeze(),
            Do::Thaw => service.thaw(),
            Do::Terminate => drop(service.terminate(LONG).await),
            Do::TerminateAndFreeze => {
                tokio::join!(service.terminate(LONG), async { service.freeze() });
            }
            Do::Kill => drop(service.kill_as_it_is().await),
            Do::Lose => {
                kill(pid(&service), Signal::SIGKILL).expect("a process");
                service.exited().await;
            }
        }
    }
    let events = service.events();
    assert!(events.is_sorted_by(|first, second| first.time < second.time), "{events:?}");
    let kinds: Vec<ProcessEventKind> = events.into_iter().skip(2).map(|event| event.kind).collect();
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn each_change_is_noted_once_and_in_order() {
    use Do::{Freeze, Kill, Lose, Terminate, TerminateAndFreeze, Thaw};
    use ProcessEventKind::{Exited, Frozen, Killed, Terminated, Thawed};
    let obeyed = Exited { code: Some(5), signal: None };
    let died = Exited { code: None, signal: Some(9) };
    check(
        &[Freeze, Freeze, Thaw, Thaw, Freeze, Thaw, Terminate],
        &[Frozen, Thawed, Frozen, Thawed, Terminated, obeyed.clone()],
    )
    .await;
    check(&[Thaw, Kill], &[Killed, died.clone()]).await;
    check(&[Freeze, Terminate], &[Frozen, Thawed, Terminated, obeyed.clone()]).await;
    check(&[Freeze, Kill, Kill, Thaw], &[Frozen, Killed, died.clone()]).await;
    check(&[Freeze, Lose, Thaw, Freeze, Terminate], &[Frozen, died]).await;
    check(&[TerminateAndFreeze, Thaw, Freeze, Kill], &[Terminated, obeyed]).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_whole_group_stops_and_is_not_taken_for_ended() {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    let service = start().await;
    for _ in 0..3 {
        service.freeze();
        // Returns when the leader has stopped, and leaves that to be asked again.
        waitid(Id::Pid(pid(&service)), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT).expect("a child");
        until_states(&service, |state| state == 'T').await;
        assert!(
            tokio::time::timeout(Duration::ZERO, service.exited()).await.is_err(),
            "it is taken for ended"
        );
        service.thaw();
        until_states(&service, |state| state != 'T').await;
    }
    service.terminate(LONG).await;
    assert_eq!(service.exit_status().await.code(), Some(5));
}

/// Waits until every process of the group, which are two, is in a wanted state (proc(5), `proc_pid_stat`).
#[cfg(target_os = "linux")]
async fn until_states(service: &Service, wanted: impl Fn(char) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let states = states(service.pid().expect("a process"));
        if states.len() == 2 && states.iter().copied().all(&wanted) {
            return;
        }
        assert!(begun.elapsed() < LONG, "{states:?}");
        // waits on purpose: signals are delivered at some time, and the kernel tells nobody of a grandchild.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[cfg(target_os = "linux")]
fn states(group: u32) -> Vec<char> {
    let state = |entry: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        (fields[2] == group.to_string()).then(|| fields[0].chars().next()).flatten()
    };
    std::fs::read_dir("/proc").expect("processes").flatten().filter_map(state).collect()
}
