//! Services that are child processes: the demo's, started as somebody else's would be.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use spanwise::model::GrpcCode;
use spanwise::{Conformance, Harness, HarnessError, Service, assert_conforms};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spanwise");
const GREET: &str = "backend_service.v1.BackendService/Greet";

/// The demo's backend, after what a shell does first.
fn backend(shell: &str) -> Service {
    let script = format!("{shell}\nexec {PROGRAM} __demo-service backend-service");
    Service::command(["sh", "-c", &script])
        .grpc()
        .key("ready", "line")
        .key("untraced", ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"])
}

#[tokio::test]
async fn calls_are_made_by_reflection() -> Result<(), HarnessError> {
    let run = Harness::builder().project("p").service("backend", backend("")).start().await?;
    for call in [run.grpc(GREET), run.grpc(GREET).secure()] {
        let answer = call.json(json!({ "name": "Ada" })).await?;
        assert_eq!(answer.code(), Some(GrpcCode::Ok));
        assert_eq!(answer.json::<Value>()?["reply"], "Hello, Ada!");
        let trace = answer.trace().await?;
        let tree = "driver CLIENT \"backend_service.v1.BackendService/Greet\" OK
  backend SERVER \"backend_service.v1.BackendService/Greet\" OK client.address=<address> server.address=<host>
    | server.port=<port>";
        assert_eq!(trace.to_string(), tree);
        assert_conforms!(trace);
    }
    let all = run.end().await;
    assert_conforms!(all);
    assert_eq!(all.spans().count(), 2);
    Ok(())
}

#[tokio::test]
async fn a_suite_file_says_the_same() -> Result<(), HarnessError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("spanwise.yaml");
    let text = format!(
        "suite: shop\n\
         project: p\n\
         services:\n  backend:\n    command: [{PROGRAM}, __demo-service, backend-service]\n    protocol: grpc\n    ready: line\n    \
         untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]\n  \
         api:\n    command: [{PROGRAM}, __demo-service, api-service]\n    protocol: http\n    ready: line\n    \
         env: {{ BACKEND_SERVICE_URL: \"{{{{backend.url}}}}\" }}\n\
         axes:\n  channel-out: [insecure, secure]\n  export: [otlp-http, gcp_trace]\n  platform: [plain, cloud-run]\n\
         cases: {{}}\n"
    );
    std::fs::write(&file, text).expect("a file");
    let choices = [
        ("channel-out", "secure"),
        ("export", "gcp_trace"),
        ("propagation", "both"),
        ("platform", "cloud-run"),
    ];
    for chosen in choices {
        let run = Harness::from_suite(&file).axis(chosen.0, chosen.1).start().await?;
        let answer = run.post("/greet").json(json!({ "name": "Ada" })).await?;
        assert_eq!(answer.json::<Value>()?, json!({ "reply": "Hello, Ada!" }), "{chosen:?}");
        let trace = answer.trace().await?;
        assert_conforms!(trace);
        assert_eq!(trace.spans().count(), 3, "{chosen:?}");
        let axes = &trace.observation().settings.axes;
        assert!(axes.contains(&(chosen.0.to_owned(), chosen.1.to_owned())), "{axes:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_end_shows_spans_that_a_shutdown_lost() -> Result<(), HarnessError> {
    let shell = format!(
        "trap 'kill -s KILL $!; exit 0' TERM\n{PROGRAM} __demo-service backend-service & wait $!\nexit"
    );
    // Spans go out two at a time.
    let backend =
        backend(&shell).env("OTEL_BSP_SCHEDULE_DELAY", 600_000).env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2);
    let run = Harness::builder().project("p").service("backend", backend).start().await?;
    let greet = || run.grpc(GREET).json(json!({ "name": "Ada" }));
    for answer in [greet().await?, greet().await?] {
        answer.trace().await?;
    }
    greet().await?;
    let all = run.end().await;
    let failures = Conformance::of(&all).failures();
    assert_eq!(failures.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["span-lost-on-shutdown"]);
    Ok(())
}

#[tokio::test]
async fn nothing_outlives_a_run_that_is_dropped() -> Result<(), HarnessError> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("pid");
    let backend = backend(&format!("echo $$ > {}", file.display()));
    let panicking = tokio::spawn(async move {
        let run = Harness::builder().project("p").service("backend", backend).start().await?;
        let answer = run.grpc(GREET).json(json!({ "name": "Ada" })).await?;
        assert_eq!(answer.code(), Some(GrpcCode::NotFound), "out of luck");
        Ok::<_, HarnessError>(())
    });
    assert!(panicking.await.expect_err("a panic").is_panic());
    let pid = std::fs::read_to_string(&file).expect("a process that wrote its number");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the service outlived its run");
    Ok(())
}

#[tokio::test]
async fn services_that_do_not_get_ready_show_their_last_lines() {
    #[track_caller]
    fn check(error: &HarnessError, expected: &[&str]) {
        for text in expected {
            assert!(error.to_string().contains(text), "{text:?} is not in: {error}");
        }
    }
    let start = |shell: &str| Harness::builder().service("backend", backend(shell)).start();
    let error = start("echo no luck >&2; exit 3").await.expect_err("a service that ends");
    check(&error, &["backend", "exited with code 3", "no luck"]);
    let missing = Service::command(["./no-such-program"]);
    let error = Harness::builder().service("web", missing).start().await.expect_err("no program");
    check(&error, &["no-such-program"]);
}

#[tokio::test]
async fn answers_outlive_their_run_and_traces_do_not() -> Result<(), HarnessError> {
    let run = Harness::builder().project("p").service("backend", backend("")).start().await?;
    let answer = run.grpc(GREET).await?;
    drop(run);
    assert_eq!(answer.code(), Some(GrpcCode::InvalidArgument));
    assert!(matches!(answer.trace().await, Err(HarnessError::Ended)));
    let late = tokio::time::timeout(Duration::from_secs(60), answer.trace()).await;
    assert!(late.is_ok(), "nobody waits for a run that has ended");
    Ok(())
}
