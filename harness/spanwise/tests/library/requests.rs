//! Requests to services that are tasks of the test, and what is said of their traces.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use insta::assert_snapshot;
use serde_json::{Value, json};
use spanwise::check::Profile;
use spanwise::model::{ExpectedSpan, SpanKind};
use spanwise::{Conformance, HarnessError, Trace, assert_conforms};

use crate::shop::{Broken, shop};

/// What `assert_conforms!` says of a trace that does not; without how to run this test again, which depends on its thread.
fn message(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("a trace that does not conform");
    let message = panic.downcast_ref::<String>().expect("a message");
    let (message, again) = message.split_once("\n  again: ").unwrap_or((message, ""));
    let is_this = again.starts_with("cargo test") && again.ends_with(" -- --exact\n");
    assert!(again.is_empty() || is_this, "{again}");
    message.to_owned()
}

#[tokio::test]
async fn a_request_has_an_answer_and_a_trace() -> Result<(), HarnessError> {
    let begun = Instant::now();
    let run = shop(Broken::Nothing).start().await?;
    let started = begun.elapsed();
    let answer = run.get("/order?item=42").await?;
    assert_eq!(answer.status(), Some(200));
    assert_eq!(answer.json::<Value>()?, json!({ "left": 3 }));
    let trace = answer.trace().await?;
    println!("the services were up after {started:?}, the trace judged after {:?}", begun.elapsed());
    assert_snapshot!(trace, @r#"
    driver CLIENT "GET /order" 200
      web SERVER "GET /order" 200
        web CLIENT "GET" 200
          inventory SERVER "GET /stock" 200
    "#);
    assert_eq!(trace.spans().count(), 3);
    assert_eq!(trace.ids(), [answer.trace_id()]);
    assert_conforms!(trace);
    Ok(())
}

#[tokio::test]
async fn requests_side_by_side_have_traces_of_their_own() -> Result<(), HarnessError> {
    let run = shop(Broken::Nothing).start().await?;
    let (one, other) = tokio::join!(run.get("/order"), run.get("/order").secure());
    for answer in [one?, other?] {
        let trace = answer.trace().await?;
        assert_eq!(trace.ids(), [answer.trace_id()]);
        assert_eq!(trace.spans().count(), 3);
        assert_conforms!(trace);
    }
    Ok(())
}

#[tokio::test]
async fn the_context_is_the_requests_to_choose() -> Result<(), HarnessError> {
    let run = shop(Broken::Nothing).start().await?;
    let unsampled = run.get("/order").unsampled().await?.trace().await?;
    assert_snapshot!(unsampled, @r#"driver CLIENT "GET /order" 200 to=web unsampled"#);
    assert_conforms!(unsampled);

    let rootless = run.get("/order").without_context().await?.trace().await?;
    assert_snapshot!(rootless, @r#"
    driver CLIENT "GET /order" 200 to=web no-context
    web SERVER "GET /order" 200
      web CLIENT "GET" 200
        inventory SERVER "GET /stock" 200
    "#);
    assert_conforms!(rootless);
    Ok(())
}

#[tokio::test]
async fn expected_spans_are_looked_for() -> Result<(), HarnessError> {
    let run = shop(Broken::Nothing).start().await?;
    let stock = |name: &str| ExpectedSpan {
        service: "inventory".to_owned(),
        kind: Some(SpanKind::Server),
        name: name.to_owned(),
        ..ExpectedSpan::default()
    };
    let trace = run.get("/order").expect(stock("GET /stock")).await?.trace().await?;
    assert_conforms!(trace);
    let trace = run.get("/order").expect(stock("GET /shelf")).await?.trace().await?;
    let failures = Conformance::of(&trace).failures();
    assert_eq!(failures.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(), ["expected-span-missing"]);
    Ok(())
}

/// Compares which rules fail a request to a broken shop.
async fn check(broken: Broken, profile: Profile, expected: &[&str]) -> Result<Trace, HarnessError> {
    let run = shop(broken).start().await?;
    let trace = run.get("/order").await?.trace().await?;
    let failures = Conformance::of(&trace).profile(profile).failures();
    assert_eq!(
        failures.iter().map(|finding| &*finding.rule).collect::<Vec<_>>(),
        expected,
        "{broken:?}\n{trace}"
    );
    Ok(trace)
}

#[tokio::test]
async fn the_message_shows_tree_and_findings() -> Result<(), HarnessError> {
    let trace = check(Broken::Call, Profile::CloudRun, &["context-not-sent"]).await?;
    assert_snapshot!(message(|| assert_conforms!(trace)), @r#"
    GET /order does not conform to the profile cloud-run, for the root cause below
        driver CLIENT "GET /order" 200
          web SERVER "GET /order" 200
            web CLIENT "GET" 200
        inventory SERVER "GET /stock" 200
      violation context-not-sent
        web called inventory over the insecure channel without any trace context in the headers.
        span      web GET /order
        expected  traceparent or x-cloud-trace-context on the call
        actual    neither
        wire      web -> inventory over http/1.1, no context header
        explains  violation trace-split: The request became two traces at the call from web to inventory: the call carried no trace context.
    "#);
    assert_conforms!(trace, allow = ["context-not-sent"]);
    let unknown = message(|| assert_conforms!(trace, allow = ["context-not-send"]));
    assert!(unknown.contains("no rule `context-not-send`"), "{unknown}");
    Ok(())
}

#[tokio::test]
async fn a_trace_that_begins_anew_belongs_to_its_request() -> Result<(), HarnessError> {
    let trace = check(Broken::Entry, Profile::CloudRun, &["remote-context-ignored"]).await?;
    assert_eq!(trace.ids().len(), 2);
    assert_eq!(trace.spans().count(), 3);
    // Nothing below the context was waited for in vain: the trace that began anew stands for it.
    assert!(!trace.is_incomplete(), "{:?}", trace.notes());
    Ok(())
}

#[tokio::test]
async fn side_by_side_a_lost_context_is_not_waited_for_either() -> Result<(), HarnessError> {
    let run = shop(Broken::Entry).start().await?;
    let (one, other) = tokio::join!(run.get("/order"), run.get("/order").secure());
    for answer in [one?, other?] {
        let trace = answer.trace().await?;
        assert!(!trace.is_incomplete(), "{:?}", trace.notes());
    }
    Ok(())
}

#[tokio::test]
async fn what_did_not_come_is_told() -> Result<(), HarnessError> {
    let trace = check(Broken::Export, Profile::CloudRun, &["entry-without-server-span"]).await?;
    let message = message(|| assert_conforms!(trace));
    assert!(message.contains("note: within 500ms did not come: a span of web below"), "{message}");
    Ok(())
}

#[tokio::test]
async fn profiles_differ_in_what_fails() -> Result<(), HarnessError> {
    check(Broken::Route, Profile::Otel, &[]).await?;
    check(Broken::Route, Profile::Strict, &["http-route-missing"]).await?;
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_run_brings_what_nobody_waited_for() -> Result<(), HarnessError> {
    let run = shop(Broken::Nothing).start().await?;
    for _ in 0..2 {
        run.get("/order").await?;
    }
    let all = run.end().await;
    assert_eq!(all.spans().count(), 6);
    assert_conforms!(all);
    Ok(())
}

#[tokio::test]
async fn a_service_that_ends_too_early_says_why() -> Result<(), HarnessError> {
    let web = spanwise::Service::in_process(|_| async { Err::<(), _>("no stock today") });
    let run = spanwise::Harness::builder().service("web", web).start().await?;
    let answer = run.get("/order").await?;
    assert_eq!(answer.status(), Some(503));
    assert_eq!(answer.trace().await?.notes(), ["web has ended\n  no stock today"]);
    Ok(())
}
