//! Services that are told their port, and asked whether they are ready.
//!
//! This binary starts itself again as such a service.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use spanwise_drive::{Instance as _, Launch, Launcher, Ready};
use spanwise_model::{ProcessEventKind, Source};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

/// The first argument of the service that this binary starts; the second is what it serves, the third its port.
const SERVICE: &str = "__service";

/// The ports that services are given.
const GIVEN: std::ops::Range<u16> = 20_000..32_000;

/// What is said of one that listens, but not at its port. Only Linux tells.
const ELSEWHERE: &str = if cfg!(target_os = "linux") {
    " and not at the port that it is given by PORT and {{port}}, "
} else {
    "no connection to its port"
};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, what, port] = arguments.as_slice()
        && first == SERVICE
    {
        runtime.block_on(serve(what, port.parse().expect("a port")));
        return ExitCode::SUCCESS;
    }
    let handle = runtime.handle().clone();
    let says = |text: &str| Ready::Says(text.to_owned());
    let path = |path: &str| Ready::HttpPath(path.to_owned());
    let trials = [
        ("by_its_port", "health", Ready::Port, Ok(())),
        ("by_grpc_health", "health", Ready::GrpcHealth, Ok(())),
        ("by_a_path", "http", path("/healthz"), Ok(())),
        ("by_a_line", "health", says("serves now"), Ok(())),
        ("not_by_a_line_it_does_not_write", "health", says("never"), Err("no line with \"never\" in it")),
        ("not_by_a_redirect", "http", path("/moved"), Err("; last seen: 302")),
        ("not_while_it_is_unhealthy", "unhealthy", Ready::GrpcHealth, Err("; last seen: NOT_SERVING")),
        ("not_by_a_path_it_does_not_have", "http", path("/nope"), Err("; last seen: 404")),
        ("not_at_another_port", "elsewhere", Ready::Port, Err(ELSEWHERE)),
        ("not_by_another_protocol", "health", path("/healthz"), Err("; last seen: no answer")),
    ];
    let trials = trials.map(|(name, what, ready, expected)| {
        let handle = handle.clone();
        Trial::test(format!("a_service_is_ready_{name}"), move || {
            handle.block_on(check(what, ready, expected))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Starts a service; it is ready, or the error says what was last seen.
async fn check(what: &str, ready: Ready, expected: Result<(), &str>) -> Result<(), Failed> {
    let mut launch = Launch::new(Source::new("service", 1), std::env::current_exe()?);
    launch.args = [SERVICE, what, Launch::PORT].map(str::to_owned).to_vec();
    launch.ready = ready;
    launch.ready_within = if expected.is_ok() { Duration::from_secs(30) } else { Duration::from_secs(2) };
    match (Launcher::new()?.start(launch).await, expected) {
        (Ok(service), Ok(())) => {
            let kinds: Vec<ProcessEventKind> = service.events().into_iter().map(|event| event.kind).collect();
            let mut expected = vec![ProcessEventKind::Spawned, ProcessEventKind::Ready];
            if cfg!(target_os = "linux") {
                expected.push(ProcessEventKind::Listening { address: service.addr(), on_port: true });
            }
            assert_eq!(kinds, expected);
            assert!(GIVEN.contains(&service.addr().port()), "{}", service.addr());
            Ok(())
        }
        (Err(error), Err(expected)) if error.to_string().contains(expected) => {
            if expected == ELSEWHERE && cfg!(target_os = "linux") {
                let error = error.to_string();
                let given =
                    error.split(expected).nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
                assert!(given.parse().is_ok_and(|port| GIVEN.contains(&port)), "{error}");
            }
            Ok(())
        }
        (Ok(_), Err(_)) => Err("it is ready".into()),
        (Err(error), _) => Err(error.into()),
    }
}

async fn serve(what: &str, port: u16) {
    let port = if what == "elsewhere" { 0 } else { port };
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.expect("the port");
    if what == "http" {
        return http(listener).await;
    }
    let (reporter, health) = tonic_health::server::health_reporter();
    let serving = tonic_health::ServingStatus::Serving;
    eprintln!("it serves now, and says so");
    let status = if what == "health" { serving } else { tonic_health::ServingStatus::NotServing };
    reporter.set_service_status("", status).await;
    let served =
        Server::builder().add_service(health).serve_with_incoming(TcpListenerStream::new(listener)).await;
    served.expect("a server");
}

/// Knows one path, and that another moved.
async fn http(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n")
            && stream.read_buf(&mut request).await.is_ok_and(|read| read > 0)
        {}
        let is_for = |path: &str| request.starts_with(format!("GET {path} ").as_bytes());
        let status = match (is_for("/healthz"), is_for("/moved")) {
            (true, _) => "204 No Content",
            (_, true) => "302 Found",
            _ => "404 Not Found",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        // A caller that only looked whether the port is open is gone by now.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
