//! The run loop with services that behave like other people's: started by a command, killed before they can flush.

use std::sync::Arc;
use std::time::Duration;

use spanwise::model::{Outcome, PermutationResult, RunEvent};
use spanwise::plan::{SuiteText, plan};
use spanwise::{Options, run};

/// A suite of the demo's backend, wrapped so that nothing it holds gets out once SIGTERM has come. Its batches are sent well
/// after the answers.
fn suite(cases: &str, env: &str) -> String {
    let program = env!("CARGO_BIN_EXE_spanwise");
    let script =
        format!("trap 'kill -s KILL $!; exit 0' TERM; {program} __demo-service backend-service & wait $!");
    format!(
        "suite: small\n\
         project: demo-project\n\
         services:\n  backend-service:\n    command: [sh, -c, \"{script}\"]\n    protocol: grpc\n    ready: line\n    \
         untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]\n    env: {{ {env} }}\n\
         axes:\n  entry: [grpc]\n  channel-in: [insecure, secure]\n\
         cases:\n{cases}"
    )
}

/// A case that greets, with more said of it.
fn case(name: &str, more: &str) -> String {
    let call = "call: backend_service.v1.BackendService/Greet, message: { name: Ada }";
    format!("  {name}:\n{more}    grpc: {{ to: backend-service, {call} }}\n    expect: {{ grpc: OK }}\n")
}

/// Runs a suite to its end.
async fn ran(text: String, deadline: Duration) -> (Vec<PermutationResult>, Vec<RunEvent>) {
    let suite = SuiteText { file: "small.yaml".to_owned(), text };
    let planned = plan(&[suite], &[]).expect("a suite without mistakes");
    let options = Options { deadline, ..Options::default() };
    let (mut results, mut events) = (Vec::new(), Vec::new());
    let summary = run(Arc::new(planned.plan), options, |event| match event {
        RunEvent::Finished(result) => results.push((**result).clone()),
        event => events.push(event.clone()),
    });
    summary.await.expect("a run");
    (results, events)
}

#[tokio::test]
async fn services_that_lose_spans_at_their_end_are_ended_when_all_spans_have_come() {
    let cases = case("greet", "") + &case("no-context", "    context: none\n");
    let (results, _) = ran(suite(&cases, "OTEL_BSP_SCHEDULE_DELAY: 300"), Duration::from_secs(60)).await;
    assert_eq!(results.len(), 4);
    for result in results {
        assert_eq!(result.outcome, Outcome::Passed, "{}: {:#?}", result.name, result.findings);
        assert_eq!(result.traces.iter().map(|trace| trace.spans).sum::<usize>(), 1, "{}", result.name);
    }
}

#[tokio::test]
async fn spans_that_do_not_come_are_waited_for_until_the_deadline() {
    let deadline = Duration::from_millis(300);
    let (results, _) = ran(suite(&case("greet", ""), "OTEL_TRACES_EXPORTER: none"), deadline).await;
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(result.outcome, Outcome::Failed);
        assert!(u128::from(result.duration_ms) >= deadline.as_millis(), "{} ms", result.duration_ms);
        assert!(result.findings.iter().any(|finding| finding.rule == "nothing-received"), "{result:#?}");
    }
}

#[tokio::test]
async fn services_start_once_for_all_permutations_of_a_setting() {
    let (results, events) = ran(suite(&case("greet", ""), "A: b"), Duration::from_secs(60)).await;
    assert_eq!(results.len(), 2);
    let ready = events.iter().filter(|event| matches!(event, RunEvent::ServiceReady { .. })).count();
    let observed = events.iter().filter_map(|event| match event {
        RunEvent::Observed { permutations } => Some(*permutations),
        _ => None,
    });
    assert_eq!((ready, observed.collect::<Vec<_>>()), (1, vec![2]));
}

#[tokio::test]
async fn the_first_instance_of_a_service_that_scales_to_zero_is_the_first_requests() {
    let text = format!(
        "suite: small\n\
         project: demo-project\n\
         services:\n  backend-service:\n    command: [{}, __demo-service, backend-service]\n    protocol: grpc\n    ready: line\n    \
         flushes-on-sigterm: true\n    \
         untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]\n    \
         cloud-run: {{ min-instances: 0, idle-ms: 0 }}\n\
         axes:\n  entry: [grpc]\n  channel-in: [secure]\n  platform: [plain, cloud-run]\n\
         agree: [platform]\n\
         cases:\n{}",
        env!("CARGO_BIN_EXE_spanwise"),
        case("cold", "    repeat: { times: 3 }\n")
    );
    let (results, events) = ran(text, Duration::from_secs(60)).await;
    assert_eq!(results.len(), 2);
    // Three requests have three instances, one after another, and the trees of one.
    for result in results {
        assert_eq!(result.outcome, Outcome::Passed, "{}: {:#?}", result.name, result.findings);
    }
    let ready = events.iter().filter(|event| matches!(event, RunEvent::ServiceReady { .. })).count();
    assert_eq!(ready, 1, "on Cloud Run none runs before the first request");
}

#[tokio::test]
async fn why_no_instance_could_be_started_for_requests_is_told_once() {
    let text = "suite: small\n\
                services:\n  web:\n    command: [sh, -c, \"echo no luck >&2; exit 3\"]\n    protocol: http\n    \
                cloud-run: { min-instances: 0 }\n\
                axes:\n  entry: [http]\n  channel-in: [secure]\n  platform: [cloud-run]\n\
                cases:\n  page:\n    repeat: { times: 3 }\n    http: { to: web, get: / }\n    expect: { http: 503 }\n";
    let (results, events) = ran(text.to_owned(), Duration::from_secs(60)).await;
    assert_eq!(results.iter().map(|result| result.outcome).collect::<Vec<_>>(), [Outcome::Passed]);
    let reasons = events.iter().filter_map(|event| match event {
        RunEvent::ServiceFailed { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    let reasons: Vec<&str> = reasons.collect();
    assert!(matches!(reasons.as_slice(), [reason] if reason.contains("no luck")), "{reasons:?}");
}
