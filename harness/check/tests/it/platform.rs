//! Rules of the family `platform`, a line a case.

use crate::verdicts::{causes, check};

#[test]
fn a_service_listens_where_requests_come_from() {
    let rule = "port-ignored";
    let text = |events: &str, platform: &str| {
        format!("process:\n  api spawned\n{events}settings:\n  platform={platform}\n")
    };
    let listening = |address: &str| text(&format!("  api listening {address}\n"), "cloud-run");
    check(rule, &listening("0.0.0.0:8080"), "pass");
    check(rule, &listening("[::]:8080"), "pass");
    check(rule, &listening("127.0.0.1:8080"), "fail: violation api");
    check(rule, &listening("[::1]:8080"), "fail: violation api");
    check(rule, &listening("0.0.0.0:5000 other-port"), "fail: violation api");
    // A socket for its own purposes is nobody's business.
    let metrics = "  api listening 127.0.0.1:9090 other-port\n  api listening 0.0.0.0:8080\n";
    check(rule, &text(metrics, "cloud-run"), "pass");
    check(rule, &text("  api ready\n", "cloud-run"), "not-observed");
    check(rule, &text("  api listening 127.0.0.1:8080\n", "plain"), "not-applicable");
}

/// A call to a service that may be private, on a platform, with headers.
fn call(platform: &str, facts: &str, headers: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200
    api CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
  api -> b h2 traceparent: T1-S3-01 {headers}
settings:
  platform={platform}
  service api http private
  service b grpc {facts}
"#
    )
}

/// An ID token for an audience that expires then.
fn token(audience: &str, expires: &str) -> String {
    format!("\"<bearer jwt sha256:5f0c1a2b iss=https://accounts.google.com aud={audience} exp={expires}>\"")
}

const LATER: &str = "1600003600";

#[test]
fn a_private_service_is_called_with_an_id_token() {
    let rule = "private-call-unauthenticated";
    let private = |headers: &str| call("cloud-run", "private audience=\"https://b\"", headers);
    let good = token("https://b", LATER);
    check(rule, &private(&format!("authorization: {good}")), "pass");
    check(rule, &private(""), "fail: violation api");
    check(rule, &private("authorization: \"<basic credentials sha256:5f0c1a2b>\""), "fail: violation api");
    check(rule, &private("authorization: \"<bearer token sha256:5f0c1a2b>\""), "fail: violation api");
    check(rule, &private("authorization: \"<bearer access token sha256:5f0c1a2b>\""), "pass");
    // Where both are there, the other header is the application's.
    let users =
        format!("authorization: \"<bearer token sha256:5f0c1a2b>\" x-serverless-authorization: {good}");
    check(rule, &private(&users), "pass");
    let not_read =
        format!("x-serverless-authorization: \"<authorization sha256:5f0c1a2b>\" authorization: {good}");
    check(rule, &private(&not_read), "fail: violation api");
    // The driver is never judged, nor is a call that nobody would refuse.
    check(rule, &call("cloud-run", "", ""), "not-applicable");
    check(rule, &call("plain", "private", ""), "not-applicable");
}

#[test]
fn a_token_is_meant_for_who_is_called() {
    let rule = "token-audience-wrong";
    let two = "private audience=\"https://b\" audience=\"custom\"";
    let with = |facts: &str, token: &str| call("cloud-run", facts, &format!("authorization: {token}"));
    check(rule, &with(two, &token("https://b", LATER)), "pass");
    check(rule, &with(two, &token("https://b/", LATER)), "pass");
    check(rule, &with(two, &token("custom", LATER)), "pass");
    check(rule, &with(two, &token("[\\\"x\\\",\\\"custom\\\"]", LATER)), "pass");
    check(rule, &with(two, &token("https://other", LATER)), "fail: violation api");
    check(rule, &with(two, "\"<bearer jwt sha256:5f0c1a2b exp=1>\""), "fail: violation api");
    check(rule, &with(two, "\"<bearer access token sha256:5f0c1a2b>\""), "fail: violation api");
    check(rule, &with(two, "\"<bearer token sha256:5f0c1a2b>\""), "not-applicable");
    check(rule, &with("private", &token("https://other", LATER)), "not-observed");
    check(rule, &with("", &token("https://other", LATER)), "not-applicable");
}

#[test]
fn a_token_is_used_before_it_expires() {
    let rule = "token-not-refreshed";
    let with = |expires: &str| {
        let header = format!("authorization: {}", token("https://b", expires));
        call("cloud-run", "private audience=\"https://b\"", &header)
    };
    check(rule, &with(LATER), "pass");
    check(rule, &with("1599999999"), "fail: violation api");
    check(rule, &with("never"), "not-observed");
    check(rule, &call("cloud-run", "private", ""), "not-applicable");
}

/// A request whose context the front end replaced.
fn announced(span: &str, announced: &str) -> String {
    format!(
        "driver CLIENT \"POST /greet\" 200 id=S1\n{span}\nwire:\n  driver -> api http/1.1 \"POST /greet\" 200 traceparent: T1-S1-01 {announced}\n"
    )
}

#[test]
fn a_span_hangs_below_what_the_front_end_announced() {
    let rule = "front-end-span-orphaned";
    let below = "api SERVER \"POST /greet\" 200 parent=?P1";
    let beside = "  api SERVER \"POST /greet\" 200";
    check(rule, &announced(below, "announced=T1/P1;o=1"), "pass");
    check(rule, &announced(beside, "announced=T1/P1;o=1"), "fail: warning api");
    check(rule, &announced(beside, ""), "not-applicable");
    // The front end may take the sampling decision away; then no span is due.
    check(rule, &announced("", "announced=T1/P1;o=0"), "not-applicable");
    // Neither way of hanging is any other rule's finding.
    causes(&announced(below, "announced=T1/P1;o=1"), &[]);
    causes(&announced(beside, "announced=T1/P1;o=1"), &["front-end-span-orphaned ()"]);
}

#[test]
fn the_span_of_the_front_end_is_not_the_services() {
    let rule = "platform-span-as-own";
    check(rule, &announced("  api SERVER \"POST /greet\" 200", "announced=T1/P1;o=1"), "pass");
    let same = announced("  api SERVER \"POST /greet\" 200 id=S2", "announced=T1/S2;o=1");
    check(rule, &same, "fail: information api");
    check(rule, &announced("  api SERVER \"POST /greet\" 200", ""), "not-applicable");
    // Stored, it is there itself.
    let stored = same.replace("  api", "  front-end SERVER \"POST /greet\" 200 id=S2\n  api");
    causes(&stored, &["platform-span-as-own ()"]);
    let right =
        stored.replace("  api SERVER \"POST /greet\" 200 id=S2", "    api SERVER \"POST /greet\" 200");
    check(rule, &right, "pass");
    // The driver's own span is no span of a service.
    check(rule, &announced("  api SERVER \"POST /greet\" 200", "announced=T1/S1;o=1"), "pass");
}

#[test]
fn a_service_ends_when_it_is_told() {
    let rule = "sigterm-ignored";
    let text = |events: &str| format!("process:\n  api spawned\n{events}");
    check(rule, &text("  api terminated\n  api exited 0\n"), "pass");
    check(rule, &text("  api terminated\n  api exited signal 15\n"), "pass");
    check(rule, &text("  api terminated\n  api exited 143\n"), "pass");
    check(rule, &text("  api terminated\n  api killed\n  api exited signal 9\n"), "fail: violation api");
    // Killed without a warning, or ended by itself.
    check(rule, &text("  api killed\n  api exited signal 9\n"), "not-applicable");
    check(rule, &text("  api exited 1\n"), "not-applicable");
    check(rule, &text("  api terminated\n  api exited 0\n  b terminated\n  b killed\n"), "fail: violation b");
}
