//! The run loop with services that are built, that run already, that start before their callees, and that call stubs.
//!
//! This binary starts itself again as a service that calls another one.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use spanwise::model::{Outcome, PermutationResult, RunEvent, Verdict};
use spanwise::plan::{SuiteText, plan};
use spanwise::scenario::Plan;
use spanwise::{Options, Recorder, Recording, replay, run, run_and_keep, run_rounds};

mod at_start;
mod caller;

use at_start::{
    a_call_that_comes_too_early_does_not_count, a_failure_that_comes_too_early_does_not_count,
    services_start_side_by_side, what_calls_what_does_not_start_starts_once, who_calls_itself_starts_once,
};
use caller::{CALLER, caller};

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(CALLER) {
        caller();
        return ExitCode::SUCCESS;
    }
    let trials: [(&str, fn()); 16] = [
        ("what_is_built_is_built_once_in_its_folder", what_is_built_is_built_once_in_its_folder),
        ("what_does_not_build_could_not_run_alone", what_does_not_build_could_not_run_alone),
        ("a_service_that_runs_already_is_observed", a_service_that_runs_already_is_observed),
        ("services_that_run_already_are_told_apart", services_that_run_already_are_told_apart),
        ("what_is_late_in_a_round_is_of_no_other", what_is_late_in_a_round_is_of_no_other),
        (
            "what_runs_again_has_its_turn_where_services_stay_up",
            what_runs_again_has_its_turn_where_services_stay_up,
        ),
        ("a_run_of_what_runs_already_is_replayed", a_run_of_what_runs_already_is_replayed),
        ("an_address_that_is_taken_is_named", an_address_that_is_taken_is_named),
        ("a_service_that_should_run_already_is_missed", a_service_that_should_run_already_is_missed),
        ("a_stub_answers_and_is_watched", a_stub_answers_and_is_watched),
        ("services_start_side_by_side", services_start_side_by_side),
        ("a_call_that_comes_too_early_does_not_count", a_call_that_comes_too_early_does_not_count),
        ("a_failure_that_comes_too_early_does_not_count", a_failure_that_comes_too_early_does_not_count),
        ("who_calls_itself_starts_once", who_calls_itself_starts_once),
        ("what_calls_what_does_not_start_starts_once", what_calls_what_does_not_start_starts_once),
        (
            "what_needs_containers_could_not_run_without_them",
            what_needs_containers_could_not_run_without_them,
        ),
    ];
    let trials = trials.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// Runs a suite in a file of a folder to its end.
fn ran(folder: &Path, text: &str) -> (Vec<PermutationResult>, Vec<RunEvent>) {
    let suite = SuiteText { file: folder.join("small.yaml").display().to_string(), text: text.to_owned() };
    let planned = plan(&[suite], &[]).unwrap_or_else(|error| panic!("{error:?} in\n{text}"));
    let options = Options { deadline: Duration::from_secs(30), ..Options::default() };
    let (mut results, mut events) = (Vec::new(), Vec::new());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(run(Arc::new(planned.plan), options, |event| match event {
        RunEvent::Finished(result) => results.push((**result).clone()),
        event => events.push(event.clone()),
    }));
    ended.expect("a run");
    (results, events)
}

/// A permutation that could not run, for a reason that has all these parts in it.
#[track_caller]
fn could_not_run(result: &PermutationResult, parts: &[&str]) {
    let reason = result.reason.as_deref().unwrap_or_default();
    assert_eq!(result.outcome, Outcome::CouldNotRun, "{result:#?}");
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason:?}");
    }
}

#[track_caller]
fn passed(results: &[PermutationResult], number: usize) {
    assert_eq!(results.len(), number);
    for result in results {
        assert_eq!(
            result.outcome,
            Outcome::Passed,
            "{}: {:#?} {:?}",
            result.name,
            result.findings,
            result.reason
        );
    }
}

const GREET: &str =
    "grpc: { to: backend, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }";
const UNTRACED: &str = "untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]";

/// The demo's backend by a script in a folder of its own, which is only there once it is built.
fn built(build: &str) -> String {
    format!(
        "suite: small\nproject: demo-project\nservices:\n  \
         backend: {{ build: {build}, folder: made, command: [./serve], protocol: grpc, ready: line, flushes-on-sigterm: true, {UNTRACED} }}\n  \
         other: {{ command: [\"{program}\", __demo-service, backend-service], protocol: grpc, ready: {{ line: listening }}, \
         flushes-on-sigterm: true }}\n\
         axes: {{ entry: [grpc], export: [otlp-grpc, otlp-http] }}\n\
         cases:\n  greet:\n    {GREET}\n    expect: {{ grpc: OK }}\n",
        program = env!("CARGO_BIN_EXE_spanwise")
    )
}

fn what_is_built_is_built_once_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("made");
    std::fs::create_dir(&made).expect("a folder");
    let script = made.join("make-it");
    let program = env!("CARGO_BIN_EXE_spanwise");
    let text = format!(
        "#!/bin/sh\necho built >> times\nprintf '#!/bin/sh\\nexec {program} __demo-service backend-service\\n' > serve\nchmod +x serve\n"
    );
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("the mode");
    let (results, events) = ran(folder.path(), &built("[./make-it, --token=hunter2]"));
    // Two exporters are two settings, each with an instance.
    passed(&results, 2);
    let told: Vec<&RunEvent> =
        events.iter().filter(|event| matches!(event, RunEvent::Building { .. })).collect();
    let [RunEvent::Building { service, command }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(service, "backend");
    assert!(command.starts_with("./make-it --token=") && !command.contains("hunter2"), "{command}");
    assert_eq!(std::fs::read_to_string(made.join("times")).expect("what was built"), "built\n");
}

fn what_does_not_build_could_not_run_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = built("[sh, -c, \"echo no luck >&2; exit 2\"]").replace("folder: made, ", "")
        + "  page:\n    grpc: { to: other, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }\n    expect: { grpc: OK }\n    \
           axes: { export: [otlp-grpc] }\n";
    let (results, events) = ran(folder.path(), &text);
    let (greet, page): (Vec<_>, Vec<_>) = results.into_iter().partition(|one| one.name.contains("greet"));
    for result in &greet {
        could_not_run(result, &["which builds backend, exited with code 2\n  no luck"]);
    }
    assert_eq!(greet.len(), 2);
    assert!(page.iter().all(|one| one.outcome != Outcome::CouldNotRun) && page.len() == 1, "{page:#?}");
    let failed = events.iter().filter(|event| matches!(event, RunEvent::ServiceFailed { .. })).count();
    assert_eq!(failed, 2, "once a setting");
}

/// A port that nothing listened on just now, and that no outgoing connection is given meanwhile: those have higher ones.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() as u16;
    let mut ports =
        (0..8_000).map(|_| 10_000 + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 8_000);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a port")
}

/// A demo service that somebody else started; it is killed when it is dropped.
struct Started {
    child: Child,
    url: String,
}

impl Started {
    fn new(service: &str, collector: u16, env: &[(&str, &str)]) -> Started {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.args(["__demo-service", service]).stdout(Stdio::piped()).stderr(Stdio::null());
        let endpoint = format!("http://127.0.0.1:{collector}");
        command.envs([
            ("PORT", "0"),
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_PROPAGATORS", "tracecontext,baggage"),
            ("OTEL_BSP_SCHEDULE_DELAY", "5"),
            ("GOOGLE_CLOUD_PROJECT", "demo-project"),
        ]);
        let mut child = command.envs(env.iter().copied()).spawn().expect("a service");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let address = output.lines().map_while(Result::ok).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(line["address"].as_str()?.to_owned())
        });
        Started { child, url: format!("http://{}", address.expect("a line with its address")) }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A suite of these services that run already; `more` cases stand beside the greeting.
fn running(collector: u16, services: &str, more: &str) -> String {
    format!(
        "suite: small\nproject: demo-project\ncollector: {{ otlp-http: 127.0.0.1:{collector}, otlp-grpc: 127.0.0.1:{collector} }}\n\
         services:\n{services}axes: {{ entry: [grpc, http], channel-in: [insecure, secure], propagation: [tracecontext] }}\n\
         cases:\n{more}"
    )
}

fn a_service_that_runs_already_is_observed() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = free_port();
    let backend = Started::new("backend-service", collector, &[]);
    let services = format!(
        "  backend: {{ url: \"{}\", protocol: grpc, ready: grpc-health, {UNTRACED} }}\n",
        backend.url
    );
    // Without a context nothing tells whose spans are whose, so these run alone, one after the other.
    let cases = format!(
        "  greet:\n    {GREET}\n    expect: {{ grpc: OK }}\n  alone:\n    context: none\n    {GREET}\n    expect: {{ grpc: OK }}\n"
    );
    let (results, _) = ran(folder.path(), &running(collector, &services, &cases));
    passed(&results, 4);
    for result in &results {
        assert_eq!(result.traces.iter().map(|trace| trace.spans).sum::<usize>(), 1, "{}", result.name);
        for rule in ["log-not-structured", "sigterm-ignored"] {
            assert_eq!(result.rules.get(rule), Some(&Verdict::NotObserved), "{rule}: {:?}", result.rules);
        }
    }
}

fn services_that_run_already_are_told_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = free_port();
    let backend = Started::new("backend-service", collector, &[]);
    let api = Started::new("api-service", collector, &[("BACKEND_SERVICE_URL", &backend.url)]);
    let services = format!(
        "  backend: {{ url: \"{}\", service-name: backend-service, protocol: grpc, {UNTRACED} }}\n  \
         api-service: {{ url: \"{}\", protocol: http, ready: {{ http: /healthz }} }}\n",
        backend.url, api.url
    );
    let span = "{ service: api-service, kind: SERVER, children: [{ service: api-service, kind: CLIENT, children: [{ service: backend, kind: SERVER }] }] }";
    let case = format!(
        "  greet:\n    http: {{ to: api-service, post: /greet, json: {{ name: Ada }} }}\n    expect: {{ http: 200, spans: [{span}] }}\n"
    );
    let (results, _) = ran(folder.path(), &running(collector, &services, &case));
    assert_eq!(results.len(), 2);
    for result in &results {
        assert_eq!(result.rules.get("expected-span-missing"), Some(&Verdict::Pass), "{:#?}", result.findings);
    }
}

/// Exports one span of nobody's trace, as a service of this name.
fn export(collector: u16, service: &str) {
    let body = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"spans":[{{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"clean up","kind":1,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000"}}]}}]}}]}}"#
    );
    let mut stream = TcpStream::connect(("127.0.0.1", collector)).expect("the collector");
    write!(
        stream,
        "POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The plan of a suite, and options for it.
fn planned(text: &str) -> (Arc<Plan>, Options) {
    let suite = SuiteText { file: "small.yaml".to_owned(), text: text.to_owned() };
    let planned = plan(&[suite], &[]).unwrap_or_else(|error| panic!("{error:?} in\n{text}"));
    (Arc::new(planned.plan), Options { deadline: Duration::from_secs(2), ..Options::default() })
}

fn what_is_late_in_a_round_is_of_no_other() {
    let collector = free_port();
    let backend = Started::new("backend-service", collector, &[]);
    let services = format!("  backend: {{ url: \"{}\", protocol: grpc, {UNTRACED} }}\n", backend.url);
    let (plan, options) = planned(&running(collector, &services, &format!("  greet:\n    {GREET}\n")));
    let mut strays = Vec::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let ended = runtime.block_on(run_rounds(plan, options, 3, std::future::pending(), |event| match event {
        // More of what came in the first round comes in every other.
        RunEvent::ServiceReady { .. } => export(collector, "backend"),
        RunEvent::Ended { strays: all, .. } => strays.clone_from(all),
        _ => {}
    }));
    assert_eq!(ended.expect("a run").passed, 2);
    assert_eq!(strays.len(), 1, "{strays:#?}");
}

fn what_runs_again_has_its_turn_where_services_stay_up() {
    let collector = free_port();
    // It reads no context, so its spans are nobody's and its permutations run again, alone.
    let backend = Started::new("backend-service", collector, &[("OTEL_PROPAGATORS", "none")]);
    let services = format!("  backend: {{ url: \"{}\", protocol: grpc, {UNTRACED} }}\n", backend.url);
    let (plan, options) = planned(&running(collector, &services, &format!("  greet:\n    {GREET}\n")));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let kept = run_and_keep(plan, options, std::future::pending(), |_| {});
        let ended = tokio::time::timeout(Duration::from_secs(120), kept).await;
        let (summary, kept) = ended.expect("the second lane waits for the first").expect("a run");
        assert_eq!((summary.all(), summary.could_not_run), (2, 0), "{summary:?}");
        kept.expect("services that stay up").end().await;
    });
}

fn a_run_of_what_runs_already_is_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = free_port();
    let backend = Started::new("backend-service", collector, &[]);
    let services = format!("  backend: {{ url: \"{}\", protocol: grpc, {UNTRACED} }}\n", backend.url);
    let (plan, options) = planned(&running(collector, &services, &format!("  greet:\n    {GREET}\n")));
    let recorder = Recorder::new().to_folder(folder.path()).expect("an empty folder");
    let options = Options { record: Some(recorder.clone()), ..options };
    let (mut told, mut again) = (Vec::new(), Vec::new());
    let finished = |event: &RunEvent, all: &mut Vec<RunEvent>| {
        if let RunEvent::Finished(_) | RunEvent::Ended { .. } = event {
            all.push(event.clone());
        }
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(run(plan, options, |event| finished(event, &mut told))).expect("a run");
    recorder.finish().expect("it is written");
    let recording = Recording::open(folder.path()).expect("a recording");
    replay(&recording, recording.options(), |event| finished(event, &mut again)).expect("a replay");
    assert_eq!(told.len(), 3);
    assert_eq!(told, again);
}

fn an_address_that_is_taken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let services = format!("  backend: {{ url: \"http://127.0.0.1:{port}\", protocol: grpc }}\n");
    let case = format!("  greet:\n    {GREET}\n");
    let (results, _) = ran(folder.path(), &running(port, &services, &case));
    let what = format!("the suite's collector cannot listen on 127.0.0.1:{port}");
    assert_eq!(results.len(), 2);
    for result in &results {
        could_not_run(result, &[&what, "end what listens there, or name another address under `collector`"]);
    }
}

fn a_service_that_should_run_already_is_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = free_port();
    // Bound and not listening: nobody else can take the port.
    let bound = tokio::net::TcpSocket::new_v4().expect("a socket");
    bound.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let nobody = bound.local_addr().expect("an address").port();
    let services =
        format!("  backend: {{ url: \"http://127.0.0.1:{nobody}\", protocol: grpc, ready-within-s: 1 }}\n");
    let case = format!("  greet:\n    {GREET}\n");
    let (results, _) = ran(folder.path(), &running(collector, &services, &case));
    let what = format!(
        "nothing serves at 127.0.0.1:{nobody}, where backend should run already: for 1000 ms no connection"
    );
    assert_eq!(results.len(), 2);
    for result in &results {
        could_not_run(result, &[&what]);
    }
}

/// In a build that starts containers, nothing answers for the image's registry.
fn what_needs_containers_could_not_run_without_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_spanwise");
    let text = format!(
        "suite: small\nproject: demo-project\nservices:\n  web: {{ build: [touch, built], image: \"127.0.0.1:1/nothing-of-this-name\", protocol: http }}\n  \
         backend: {{ command: [\"{program}\", __demo-service, backend-service], protocol: grpc, ready: line, \
         flushes-on-sigterm: true, {UNTRACED} }}\n\
         axes: {{ entry: [grpc, http] }}\ncases:\n  page:\n    http: {{ to: web, get: / }}\n  greet:\n    {GREET}\n"
    );
    let (results, _) = ran(folder.path(), &text);
    let (page, greet): (Vec<_>, Vec<_>) =
        results.into_iter().partition(|result| result.name.as_str().starts_with("small/page/"));
    passed(&greet, 1);
    assert_eq!(page.len(), 1);
    // Nobody waits for the build of what cannot be started.
    assert_eq!(folder.path().join("built").exists(), cfg!(feature = "containers"));
    if cfg!(feature = "containers") {
        return could_not_run(&page[0], &[]);
    }
    could_not_run(
        &page[0],
        &[
            "web runs in a container, and this build of spanwise starts none",
            "build it with the feature `containers`, as in `cargo install --path harness/spanwise --features containers`",
        ],
    );
}

fn a_stub_answers_and_is_watched() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = std::env::current_exe().expect("this program");
    let text = format!(
        "suite: small\nservices:\n  \
         web: {{ command: [\"{}\", {CALLER}, \"{{{{port}}}}\", \"{{{{bank.url}}}}\"], protocol: http, flushes-on-sigterm: true }}\n\
         stubs:\n  bank:\n    - {{ method: POST, path: /charge, respond: {{ status: 201 }} }}\n    \
         - {{ path: \"/rates/*\", respond: {{ json: {{ eur: 1 }}, headers: {{ x-bank: stub }} }} }}\n\
         axes: {{ entry: [http] }}\n\
         cases:\n  rates:\n    http: {{ to: web, get: /rates/eur }}\n    expect: {{ http: 200 }}\n  \
         charge:\n    http: {{ to: web, get: /charge }}\n    expect: {{ http: 404 }}\n",
        program.display()
    );
    let (results, events) = ran(folder.path(), &text);
    assert_eq!(results.len(), 2);
    for result in &results {
        assert_eq!(result.rules.get("unexpected-response"), Some(&Verdict::Pass), "{:#?}", result.findings);
        // The service hands every header on.
        let sent = result.findings.iter().find(|finding| finding.rule == "context-sent-to-third-party");
        assert!(sent.is_some_and(|finding| finding.message.contains("bank")), "{:#?}", result.findings);
        // Nothing is read of a stub, which takes no evidence away from rules about others.
        assert_ne!(result.rules.get("sigterm-ignored"), Some(&Verdict::NotObserved), "{:?}", result.rules);
    }
    let unmatched: Vec<&RunEvent> =
        events.iter().filter(|event| matches!(event, RunEvent::StubUnmatched { .. })).collect();
    let expected = RunEvent::StubUnmatched {
        stub: "bank".to_owned(),
        request: "GET /charge".to_owned(),
        known: ["POST /charge", "/rates/*"].map(str::to_owned).to_vec(),
    };
    assert_eq!(unmatched, [&expected]);
}
