//! One run, written by hand, that has everything a report must show. Every reporter's test is fed with it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use spanwise_model::{
    Fact, Facts, Finding, Header, Hop, Level, LogRecord, Outcome, Part, PermutationResult, Place, Rounds,
    RunEvent, Source, SpanId, Stream, Summary, TraceId, TraceSummary, Value, Verdict,
};

const LINKED: &str = r#"driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
      backend-service SERVER "backend_service.v1.BackendService/Greet" OK
"#;
const UNLINKED: &str = r#"driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200
    api-service CLIENT "backend_service.v1.BackendService/Greet" OK
"#;
const ALONE: &str = r#"backend-service SERVER "backend_service.v1.BackendService/Greet" OK
"#;

/// The run, from its first event to its last.
pub(crate) fn events() -> Vec<RunEvent> {
    let mut results = Vec::new();
    for channel_in in ["insecure", "secure"] {
        results.push(passed("greet", channel_in, "insecure"));
        results.push(unlinked(channel_in));
        results.push(passed("conflicting-contexts", channel_in, "insecure"));
    }
    results.push(with_warning());
    results.push(concurrent());
    results.push(known());
    results.push(stale());
    for case in ["deadline-exceeded", "backend-refuses"] {
        results.push(could_not_run(case));
    }
    let mut summary = Summary::default();
    results.iter().for_each(|result| summary.add(result.outcome));

    let started = RunEvent::Started {
        suites: vec!["demo".to_owned()],
        permutations: results.len(),
        part: Some(part()),
    };
    let ready = |service: &str| RunEvent::ServiceReady { source: Source::new(service, 1), millis: 12 };
    let mut events = vec![started, ready("backend-service"), ready("api-service")];
    events.push(RunEvent::ServiceFailed { source: Source::new("api-service", 2), reason: REASON.to_owned() });
    let observed = |permutations| RunEvent::Observed { permutations };
    let mut results = results.into_iter().map(|result| RunEvent::Finished(Box::new(result)));
    events.push(observed(5));
    let unlinked = unlinked("insecure");
    let first = unlinked.findings.first().expect("what is wrong").clone();
    events.push(RunEvent::Found { permutation: unlinked.name, finding: Box::new(first) });
    events.extend(results.by_ref().take(3));
    events.push(observed(7));
    events.extend(results);
    events.push(RunEvent::Ended { strays: vec![stray()], strays_fail: false, summary, duration_ms: 1_234 });
    events
}

const REASON: &str = "api-service ended with code 1 before it was ready; the last lines of its output:\n\
                      BACKEND_DEADLINE_MS=\"\u{1b}[31mnever\": expected milliseconds";

fn result(name: &str, group: &str, outcome: Outcome) -> PermutationResult {
    let line = 10 + name.split('/').nth(1).map_or(0, str::len);
    let place = Place { file: "suites/demo, the first.yaml".into(), line, column: 3 };
    PermutationResult { duration_ms: 7, place: Some(place), ..PermutationResult::new(name, group, outcome) }
}

fn trace(number: u8, spans: usize, tree: &str) -> TraceSummary {
    TraceSummary { trace_id: TraceId([number; 16]), spans, tree: tree.to_owned() }
}

fn verdicts(verdicts: &[(&str, Verdict)]) -> Arc<BTreeMap<String, Verdict>> {
    let verdicts = verdicts.iter().map(|(rule, verdict)| ((*rule).to_owned(), *verdict));
    Arc::new(verdicts.collect())
}

fn finding(rule: &'static str, level: Level, message: &str) -> Finding {
    Finding {
        rule: Cow::Borrowed(rule),
        level,
        service: None,
        trace_id: None,
        span_id: None,
        span_path: Vec::new(),
        message: message.to_owned(),
        expected: None,
        actual: None,
        facts: Facts::new(),
        hop: None,
        consequence_of: None,
    }
}

fn passed(case: &str, channel_in: &str, channel_out: &str) -> PermutationResult {
    let group = format!("demo/{case}/entry=http");
    let name = format!("{group}/channel-in={channel_in}/channel-out={channel_out}");
    PermutationResult {
        traces: vec![trace(1, 3, LINKED)],
        rules: verdicts(&[
            ("parent-not-exported", Verdict::Pass),
            ("log-without-trace", Verdict::NotApplicable),
        ]),
        ..result(&name, &group, Outcome::Passed)
    }
}

/// The call over the secure channel carries no context.
fn unlinked(channel_in: &str) -> PermutationResult {
    let group = "demo/greet/entry=http";
    let span_path = ["api-service POST /greet", "api-service backend_service.v1.BackendService/Greet"];
    let hop = Hop {
        from: "api-service".to_owned(),
        to: "backend-service".to_owned(),
        transport: "h2".to_owned(),
        headers: vec![Header { name: "user-agent".to_owned(), value: "tonic/0.14.9".to_owned() }],
    };
    let cause = Finding {
        service: Some("api-service".to_owned()),
        trace_id: Some(TraceId([2; 16])),
        span_id: Some(SpanId([2; 8])),
        span_path: span_path.map(str::to_owned).to_vec(),
        expected: Some("one trace, as over the insecure channel".to_owned()),
        actual: Some("two traces".to_owned()),
        facts: Facts::from([
            ("header".to_owned(), Fact::from("x-cloud-trace-context")),
            ("traces".to_owned(), Fact::from(2)),
            ("ratio".to_owned(), Value::Double(f64::NAN)),
            ("values".to_owned(), Value::Array(vec![Value::Bool(true), Value::Bytes(vec![1, 255])])),
        ]),
        hop: Some(hop),
        ..finding(
            "secure-channel-unlinked",
            Level::Violation,
            "The call from api-service to backend-service is part of the trace over the insecure channel, and not over \
             the secure one.",
        )
    };
    let no_headers = Hop {
        from: "api-service".to_owned(),
        to: "backend-service".to_owned(),
        transport: "h2".to_owned(),
        headers: Vec::new(),
    };
    let not_sent = Finding {
        consequence_of: Some(1),
        hop: Some(no_headers),
        ..finding("context-not-sent", Level::Violation, "The call carries no trace context.")
    };
    let split = Finding {
        consequence_of: Some(0),
        ..finding("trace-split", Level::Violation, "One request became two traces.")
    };
    let label = Finding {
        service: Some("backend-service".to_owned()),
        expected: Some("`rpc.response.status_code`".to_owned()),
        actual: Some("`rpc.grpc.status_code`".to_owned()),
        ..finding("deprecated-label", Level::Warning, "A label has an old name.")
    };
    let name = format!("{group}/channel-in={channel_in}/channel-out=secure");
    PermutationResult {
        traces: vec![trace(2, 2, UNLINKED), trace(3, 1, ALONE)],
        rules: verdicts(&[
            ("context-not-sent", Verdict::Fail),
            ("parent-not-exported", Verdict::Pass),
            ("secure-channel-unlinked", Verdict::Fail),
            ("trace-split", Verdict::Fail),
            ("span-lost-on-shutdown", Verdict::NotObserved),
        ]),
        findings: vec![not_sent, cause, split, label]
            .into_iter()
            .map(|finding| Finding { consequence_of: finding.consequence_of.map(|_| 1), ..finding })
            .collect(),
        rounds: Some(Rounds { outcomes: Summary { failed: 3, passed: 2, ..Summary::default() }, forests: 2 }),
        repeat: Some(format!("spanwise run suites/demo.yaml --filter '{name}'")),
        logs: vec![LogRecord {
            source: Source::new("backend-service", 2),
            stream: Stream::Stderr,
            time: 1_700_000_000_000_000_000,
            line: "::error::100 % <\u{1b}[31mred> ```".to_owned(),
        }],
        ..result(&name, group, Outcome::Failed)
    }
}

fn with_warning() -> PermutationResult {
    let name = "demo/stream/entry=grpc";
    let finding = Finding {
        span_path: (1..=9).map(|number| format!("backend-service step {number}")).collect(),
        expected: Some("ends with the stream".to_owned()),
        actual: Some("ended 12 ms earlier".to_owned()),
        ..finding("span-ends-before-stream", Level::Warning, "The span ended before its stream did.")
    };
    PermutationResult {
        traces: vec![trace(4, 1, ALONE)],
        findings: vec![finding],
        ..result(name, name, Outcome::Passed)
    }
}

fn concurrent() -> PermutationResult {
    let name = "demo/concurrent-users/entry=http";
    let alike = (10..14).map(|number| trace(number, 3, LINKED));
    PermutationResult {
        traces: alike.chain([trace(14, 2, UNLINKED)]).collect(),
        ..result(name, name, Outcome::Passed)
    }
}

fn known() -> PermutationResult {
    let name = "demo/greet-panic/entry=grpc";
    PermutationResult {
        traces: vec![trace(5, 1, ALONE)],
        findings: vec![finding(
            "grpc-server-error-unset",
            Level::Violation,
            "The call failed and its span does not say so.",
        )],
        reason: Some("the panic is caught above the span; tracked at https://example.com/1".to_owned()),
        ..result(name, name, Outcome::FailedAsKnown)
    }
}

fn stale() -> PermutationResult {
    let name = "demo/invalid-body/entry=grpc";
    PermutationResult {
        traces: vec![trace(6, 1, ALONE)],
        reason: Some(
            "`demo/invalid-body/**` is known to fail by grpc-server-error-overset, and passes".to_owned(),
        ),
        ..result(name, name, Outcome::UnexpectedlyPassed)
    }
}

fn could_not_run(case: &str) -> PermutationResult {
    let name = format!("demo/{case}/entry=http");
    PermutationResult { reason: Some(REASON.to_owned()), ..result(&name, &name, Outcome::CouldNotRun) }
}

fn stray() -> Finding {
    Finding {
        service: Some("backend-service".to_owned()),
        trace_id: Some(TraceId([9; 16])),
        span_id: Some(SpanId([9; 8])),
        span_path: vec!["backend-service warm-up".to_owned()],
        ..finding("stray-span", Level::Warning, "A span belongs to no request of the run.")
    }
}

fn part() -> Part {
    Part { number: 1, of: 3, permutations: 36, selection: "0123456789abcdef".to_owned() }
}
