//! The rule `connection-failure-unmarked`: what shows that there was no connection, a line a case.

use crate::verdicts::check;

#[test]
fn a_failed_connection_is_known_by_its_span_or_by_what_no_front_saw() {
    let rule = "connection-failure-unmarked";
    let http = |labels: &str, served: u16| {
        format!(
            "api SERVER \"GET /\" {served}\n  api CLIENT \"GET\" {labels}\nwire:\n  driver -> api http/1.1 no-answer\n"
        )
    };
    check(rule, &http("", 502), "fail: violation api");
    check(rule, &http("", 200), "not-applicable");
    check(rule, &http("error.type=\"ConnectError\"", 200), "fail: violation api");
    check(rule, &http("status=ERROR error.type=\"ConnectError\"", 502), "pass");
    check(rule, &http("status=OK", 502), "pass");
    check(rule, &http("503", 502), "not-applicable");
    // Without the wire only the span itself tells.
    let capture = |labels: &str| format!("api SERVER \"GET /\" 502\n  api CLIENT \"GET\" {labels}\n");
    check(rule, &capture(""), "not-applicable");
    let event = "\n    | event \"exception\" exception.type=\"gaierror\" exception.message=\"[Errno -2] Name or service not known\"";
    check(rule, &capture(event), "fail: violation api");
    let trace = "\n    | event \"exception\" exception.type=\"ReadTimeout\" exception.stacktrace=\"in connect: getaddrinfo(host)\"";
    check(rule, &capture(trace), "not-applicable");
    let reached = r#"api CLIENT "a.B/C" UNAVAILABLE id=S1
wire:
  api -> backend h2c UNAVAILABLE traceparent: T1-S1-01
"#;
    check(rule, reached, "not-applicable");
}

#[test]
fn a_failed_connection_without_a_span_is_known_by_what_the_service_wrote() {
    let rule = "connection-failure-unmarked";
    let text = |rest: &str| {
        format!(
            "driver CLIENT \"POST /greet\" 503 id=S1\n  api SERVER \"POST /greet\" 503 id=S2 status=ERROR error.type=\"503\"\nwire:\n  driver -> api http/1.1 traceparent: T1-S1-01\n{rest}"
        )
    };
    check(rule, &text(""), "not-applicable");
    check(
        rule,
        &text("logs:\n  api stderr: grpc: dial tcp: lookup nowhere: no such host\n"),
        "fail: violation api",
    );
    check(rule, &text("logs:\n  other stderr: dial tcp: lookup nowhere: no such host\n"), "not-applicable");
    check(rule, &text("logs:\n  api stderr: OTLP exporter: connection refused\n"), "not-applicable");
    let called =
        text("  api -> backend h2c UNAVAILABLE traceparent: T1-S2-01\nlogs:\n  api: connection refused\n");
    check(rule, &called, "not-applicable");
    let grpc = r#"driver CLIENT "a.B/C" UNAVAILABLE id=S1
  api SERVER "a.B/C" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
wire:
  driver -> api h2c traceparent: T1-S1-01
    | trailers grpc-message: "tcp%20connect%20error" grpc-status: 14
"#;
    check(rule, grpc, "fail: violation api");
}
