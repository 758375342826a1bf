//! Rules about spans that were lost, sent again, or sent to the wrong place: a line a case.

use crate::verdicts::{causes, check};

/// Two requests through two services. `first` and `second` are what came of the caller for each, below the driver; of the
/// second, `backend` is the context that it sent.
fn two(first: &str, second: &str, events: &str, facts: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" 200 id=S1
{first}driver CLIENT "POST /greet" 200 trace=T2 id=S5
{second}wire:
  driver -> api http/1.1 "POST /greet" 200 traceparent: T1-S1-01
  api -> b h2c "POST /b.B/Greet" OK traceparent: T1-S3-01
  driver -> api http/1.1 "POST /greet" 200 traceparent: T2-S5-01
  api -> b h2c "POST /b.B/Greet" OK traceparent: T2-P1-01
export:
  api otlp-grpc
  b otlp-grpc
process:
  api spawned
{events}settings:
  service api http {facts}
"#
    )
}

const FIRST: &str = r#"  api SERVER "POST /greet" 200
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
"#;
const LOST: &str = "b SERVER \"b.B/Greet\" OK trace=T2 parent=?P1\n";
const DEAD: &str =
    "  api SERVER \"POST /greet\" 200 id=S6\nb SERVER \"b.B/Greet\" OK trace=T2 parent=?P1 during=S6\n";
const ENDED: &str = "  api terminated\n  api exited 0\n";

#[test]
fn what_was_last_in_the_batch_is_lost_at_the_end() {
    let rule = "span-lost-on-shutdown";
    check(rule, &two(FIRST, LOST, ENDED, ""), "fail: violation api");
    check(rule, &two(FIRST, LOST, "  api terminated\n  api killed\n", ""), "fail: violation api");
    check(rule, &two(FIRST, LOST, ENDED, "flushes-on-sigterm"), "fail: violation api");
    // A span that ended later came: the missing one was not in that batch.
    check(rule, &two(FIRST, DEAD, ENDED, ""), "pass");
    // It was not told to end, or is still there.
    check(rule, &two(FIRST, LOST, "  api exited 1\n", ""), "not-applicable");
    check(rule, &two(FIRST, LOST, "  api terminated\n", ""), "not-applicable");
    check(rule, &two(FIRST, LOST, "", ""), "not-applicable");
    // The caller that lost its spans is named, and not the one that is called.
    check(rule, &two(FIRST, LOST, "  b terminated\n  b exited 0\n", ""), "pass");
    let refused =
        two(FIRST, LOST, ENDED, "").replace("  b otlp", "  api otlp-grpc refused INTERNAL spans=2\n  b otlp");
    check(rule, &refused, "pass");
    causes(
        &two(FIRST, LOST, ENDED, ""),
        &["span-lost-on-shutdown (entry-without-server-span, parent-not-exported)"],
    );
}

/// One request of which nothing of the caller came but the context that it sent.
fn one(spans: &str, header: &str, facts: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" 200 id=S1 to=api
{spans}wire:
  driver -> api http/1.1 "POST /greet" 200 traceparent: T1-S1-01
  api -> b h2c "POST /b.B/Greet" OK traceparent: {header}
export:
process:
  api spawned
  api terminated
  api exited 0
settings:
  service api http {facts}
"#
    )
}

#[test]
fn what_was_never_made_is_not_lost() {
    let rule = "span-lost-on-shutdown";
    let orphan = "b SERVER \"b.B/Greet\" OK parent=?P1\n";
    // Its exporter may be off; one that promises to flush has no such excuse.
    check(rule, &one(orphan, "T1-P1-01", ""), "pass");
    check(rule, &one(orphan, "T1-P1-01", "flushes-on-sigterm"), "fail: violation api");
    // Not sampled, or the caller's own context passed on.
    check(rule, &one(orphan, "T1-P1-00", "flushes-on-sigterm"), "pass");
    let passed_on = "  b SERVER \"b.B/Greet\" OK\n";
    check(rule, &one(passed_on, "T1-S1-01", "flushes-on-sigterm"), "pass");
    // A service without instrumentation of its server.
    let client = "  api CLIENT \"b.B/Greet\" OK id=S3\n    b SERVER \"b.B/Greet\" OK\n";
    check(rule, &one(client, "T1-S3-01", "flushes-on-sigterm"), "pass");
    causes(&one(client, "T1-S3-01", "flushes-on-sigterm"), &["entry-without-server-span ()"]);
}

#[test]
fn after_the_delay_of_a_batch_nothing_was_waiting() {
    let text = two(FIRST, LOST, ENDED, "");
    let mut observation = spanwise_model::notation::parse(&text).expect("the notation");
    for event in &mut observation.process {
        event.time += 5_000_000_000;
    }
    let checked = spanwise_check::Engine::new(spanwise_check::Profile::Strict).check(&observation);
    assert_eq!(checked.verdicts["span-lost-on-shutdown"].as_str(), "pass");
}

#[test]
fn what_was_frozen_behind_the_answer_is_lost_when_it_ends() {
    let rule = "span-lost-when-throttled";
    let frozen = format!("  api frozen\n  api thawed\n{ENDED}");
    check(rule, &two(FIRST, LOST, &frozen, ""), "fail: violation api");
    check(rule, &two(FIRST, LOST, "  api frozen\n  api killed\n", ""), "fail: violation api");
    check(rule, &two(FIRST, LOST, "  api frozen\n", ""), "not-observed");
    check(rule, &two(FIRST, LOST, ENDED, ""), "not-applicable");
    check(rule, &two(FIRST, DEAD, &frozen, ""), "pass");
    causes(
        &two(FIRST, LOST, &frozen, ""),
        &["span-lost-when-throttled (entry-without-server-span, parent-not-exported, span-lost-on-shutdown)"],
    );
    causes(
        &two(FIRST, LOST, "  api terminated\n  api killed\n", ""),
        &["sigterm-ignored (entry-without-server-span, parent-not-exported, span-lost-on-shutdown)"],
    );
}

#[test]
fn what_was_under_way_when_it_was_frozen_is_lost_with_it() {
    #[track_caller]
    fn check(events: &str, expected: &str) {
        let text = two(FIRST, LOST, events, "");
        let mut observation = spanwise_model::notation::parse(&text).expect("the notation");
        let end = observation.process.iter().map(|event| event.time).max().expect("a process");
        let tap = observation.wire.last_mut().expect("a call");
        // The call that the frozen instance had made ended as its process did.
        tap.stamps.ended = end;
        let checked = spanwise_check::Engine::new(spanwise_check::Profile::Strict).check(&observation);
        let mut findings = checked.findings.iter();
        let found = findings.find(|finding| finding.rule == "span-lost-when-throttled");
        assert_eq!(found.and_then(|finding| finding.actual.as_deref()), Some(expected), "{events}");
    }
    check("  api frozen\n  api killed\n", "2 spans missing");
    // It got its processor back, so its call ended late for another reason.
    check("  api frozen\n  api thawed\n  api terminated\n  api exited 0\n", "1 span missing");
}

/// A request of whose span it is told which export carried it.
fn exported(span: &str, rest: &str) -> String {
    format!("driver CLIENT \"POST /greet\" 200 to=api\n{span}{rest}")
}

const CAME: &str = "  api SERVER \"POST /greet\" 200 id=S2 export=2\n";

#[test]
fn a_batch_that_was_refused_for_a_moment_comes_again() {
    let rule = "span-lost-on-retryable-error";
    let refused = |code: &str| format!("export:\n  api otlp-grpc refused {code} spans=1 carries=T1/P1\n");
    let again = "export:\n  api otlp-grpc refused UNAVAILABLE spans=1 carries=T1/S2\n  api otlp-grpc\n";
    check(rule, &exported(CAME, again), "pass");
    causes(&exported(CAME, again), &[]);
    check(rule, &exported("", &refused("UNAVAILABLE")), "fail: violation api");
    check(rule, &exported("", &refused("DEADLINE_EXCEEDED")), "fail: violation api");
    check(rule, &exported("", &refused("INVALID_ARGUMENT")), "not-applicable");
    // It tried again: that it was refused for good is another rule's finding.
    let twice = refused("UNAVAILABLE") + "  api otlp-grpc refused UNAVAILABLE spans=1 carries=T1/P1\n";
    check(rule, &exported("", &twice), "pass");
    // What was in it is not known, or it was ended before it could try again.
    check(rule, &exported("", "export:\n  api otlp-grpc refused UNAVAILABLE spans=1\n"), "not-observed");
    let ended = refused("UNAVAILABLE") + "process:\n  api terminated\n  api exited 0\n";
    check(rule, &exported("", &ended), "not-observed");
    let other = refused("UNAVAILABLE") + "process:\n  b terminated\n  b exited 0\n";
    check(rule, &exported("", &other), "fail: violation api");
    check(rule, &exported("", "export:\n  api otlp-grpc refused UNAVAILABLE\n"), "not-applicable");
}

#[test]
fn a_batch_that_was_refused_for_good_does_not_come_again() {
    let rule = "retried-permanent-error";
    let refused = "export:\n  api otlp-grpc refused INVALID_ARGUMENT spans=1 carries=";
    check(rule, &exported(CAME, &format!("{refused}T1/S2\n  api otlp-grpc\n")), "fail: warning api");
    let twice = format!("{refused}T1/P1\n  api otlp-grpc refused INVALID_ARGUMENT spans=1 carries=T1/P1\n");
    check(rule, &exported("", &twice), "fail: warning api");
    check(rule, &exported("", &format!("{refused}T1/P1\n")), "pass");
    // Without the span that was at fault it is another request.
    check(rule, &exported(CAME, &format!("{refused}T1/S2,T1/P1\n  api otlp-grpc\n")), "pass");
    check(rule, &exported("", "export:\n  api otlp-grpc refused INVALID_ARGUMENT spans=1\n"), "not-observed");
    // Another service's request is its own.
    let other = "  api SERVER \"POST /greet\" 200\n  b SERVER \"POST /greet\" 200 id=S2\n";
    check(rule, &exported(other, &format!("{refused}T1/S2\n  b otlp-grpc\n")), "pass");
}

#[test]
fn a_span_is_accepted_once() {
    let rule = "span-exported-twice";
    let text = |second: &str, exports: &str| {
        let span = "  api SERVER \"POST /greet\" 200 id=S2";
        exported(&format!("{span}\n{span} {second}\n"), &format!("export:\n  api otlp-grpc\n{exports}"))
    };
    check(rule, &text("copy export=2", "  api otlp-grpc\n"), "fail: warning api");
    // In one request, by two protocols, or after a refusal.
    check(rule, &text("copy", ""), "pass");
    check(rule, &text("copy export=2", "  api otlp-http\n"), "pass");
    check(rule, &text("copy export=2", "  api otlp-grpc refused INTERNAL\n"), "pass");
    // Two different spans with one id.
    check(rule, &text("export=2", "  api otlp-grpc\n"), "pass");
    check(rule, &exported("  api SERVER \"POST /greet\" 200\n", "export:\n"), "not-applicable");
}

#[test]
fn an_export_to_google_carries_a_token() {
    let rule = "export-unauthenticated";
    let text =
        |export: &str, platform: &str| format!("export:\n  api {export}\nsettings:\n  platform={platform}\n");
    check(rule, &text("otlp-grpc", "plain"), "not-applicable");
    check(rule, &text("cloud-trace-grpc", "plain"), "not-applicable");
    check(rule, &text("otlp-grpc google", "plain"), "fail: violation api");
    check(rule, &text("otlp-grpc", "cloud-run"), "fail: violation api");
    let with = |value: &str| text(&format!("otlp-grpc google authorization: \"{value}\""), "plain");
    check(rule, &with("<bearer access token sha256:5f0c1a2b>"), "pass");
    check(rule, &with("<bearer token sha256:5f0c1a2b>"), "pass");
    // One that a service account signed by itself is as good; an ID token is not.
    check(rule, &with("<bearer jwt sha256:5f0c1a2b iss=me@p.iam.gserviceaccount.com exp=1>"), "pass");
    check(rule, &with("<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com>"), "fail: violation api");
    check(rule, &with("<basic credentials sha256:5f0c1a2b>"), "fail: violation api");
}

#[test]
fn an_export_names_the_project_of_the_service() {
    let rule = "wrong-project";
    let cloud_trace = |project: &str, settings: &str| {
        format!("export:\n  api cloud-trace-grpc google {project}\nsettings:\n  {settings}\n")
    };
    check(rule, &cloud_trace("project=\"demo\"", "project=\"demo\""), "pass");
    check(rule, &cloud_trace("project=\"other\"", "project=\"demo\""), "fail: violation api");
    check(rule, &cloud_trace("", "project=\"demo\""), "not-applicable");
    check(rule, &cloud_trace("project=\"other\"", "timed"), "not-observed");
    let otlp = |resource: &str, google: &str| {
        format!(
            "api SERVER \"GET /\" 200\nresource:\n  api {resource}\nexport:\n  api otlp-grpc {google}\nsettings:\n  project=\"demo\"\n"
        )
    };
    check(rule, &otlp("gcp.project_id=\"demo\"", "google"), "pass");
    check(rule, &otlp("gcp.project_id=\"other\"", "google"), "fail: violation api");
    check(rule, &otlp("telemetry.sdk.language=\"rust\"", "google"), "not-applicable");
    check(rule, &otlp("gcp.project_id=\"other\"", ""), "not-applicable");
}
