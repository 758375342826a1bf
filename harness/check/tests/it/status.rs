//! Rules of the family `status`: levels, exemptions and generations of names, a line a case.

use spanwise_check::{Engine, Profile};
use spanwise_model::notation;

use crate::verdicts::{causes, check};

const CODES: [(&str, bool); 17] = [
    ("OK", false),
    ("CANCELLED", false),
    ("UNKNOWN", true),
    ("INVALID_ARGUMENT", false),
    ("DEADLINE_EXCEEDED", true),
    ("NOT_FOUND", false),
    ("ALREADY_EXISTS", false),
    ("PERMISSION_DENIED", false),
    ("RESOURCE_EXHAUSTED", false),
    ("FAILED_PRECONDITION", false),
    ("ABORTED", false),
    ("OUT_OF_RANGE", false),
    ("UNIMPLEMENTED", true),
    ("INTERNAL", true),
    ("UNAVAILABLE", true),
    ("DATA_LOSS", true),
    ("UNAUTHENTICATED", false),
];

#[test]
fn every_code_of_grpc_on_either_side() {
    for (code, is_server_error) in CODES {
        let unset = format!("api CLIENT \"a.B/C\" {code}\n  backend SERVER \"a.B/C\" {code}\n");
        let error = format!(
            "api CLIENT \"a.B/C\" {code} status=ERROR error.type=\"x\"\n  backend SERVER \"a.B/C\" {code} status=ERROR error.type=\"x\"\n"
        );
        let fails = |is: bool, text: &'static str| if is { text } else { "pass" };
        check("grpc-client-error-unset", &unset, fails(code != "OK", "fail: violation api"));
        check("grpc-server-error-unset", &unset, fails(is_server_error, "fail: violation backend"));
        check("grpc-server-error-overset", &unset, "pass");
        check("grpc-client-error-unset", &error, "pass");
        check("grpc-server-error-unset", &error, "pass");
        let overset = code != "OK" && !is_server_error;
        check("grpc-server-error-overset", &error, fails(overset, "fail: warning backend"));
    }
}

#[test]
fn every_generation_of_names() {
    for label in [
        r#"rpc.system="grpc" rpc.grpc.status_code=13"#,
        r#"rpc.system="grpc" rpc.grpc.status_code="13""#,
        r#"rpc.system.name="grpc" rpc.response.status_code="INTERNAL""#,
        r#"rpc.system="grpc" rpc.status_code="INTERNAL""#,
    ] {
        let text = |kind: &str| format!("api {kind} \"call\" {label}\n");
        check("grpc-client-error-unset", &text("CLIENT"), "fail: violation api");
        check("grpc-server-error-unset", &text("SERVER"), "fail: violation api");
    }
    for label in [
        r#"http.method="GET" http.status_code=500"#,
        r#"http.request.method="GET" http.response.status_code=500"#,
        r#""/http/method"="GET" "/http/status_code"="500""#,
    ] {
        let text = |kind: &str| format!("api {kind} \"call\" {label}\n");
        check("http-client-error-unset", &text("CLIENT"), "fail: violation api");
        check("http-server-error-unset", &text("SERVER"), "fail: violation api");
    }
}

#[test]
fn http_codes_on_either_side() {
    for (code, server_unset, server_error, client_unset) in [
        (200, "pass", "pass", "pass"),
        (302, "pass", "pass", "pass"),
        (404, "pass", "fail: warning api", "fail: warning api"),
        (499, "pass", "fail: warning api", "fail: warning api"),
        (500, "fail: violation api", "pass", "fail: violation api"),
        (503, "fail: violation api", "pass", "fail: violation api"),
    ] {
        let text = |kind: &str, status: &str| format!("api {kind} \"GET\" {code} {status}\n");
        let error = "status=ERROR error.type=\"x\"";
        check("http-server-error-unset", &text("SERVER", ""), server_unset);
        check("http-server-error-overset", &text("SERVER", error), server_error);
        check("http-client-error-unset", &text("CLIENT", ""), client_unset);
        check("http-client-error-unset", &text("CLIENT", error), "pass");
    }
}

#[test]
fn an_ok_status_silences_rules_about_errors() {
    for (rule, line) in [
        ("grpc-client-error-unset", "CLIENT \"a.B/C\" INTERNAL"),
        ("grpc-server-error-unset", "SERVER \"a.B/C\" INTERNAL"),
        ("http-server-error-unset", "SERVER \"GET /\" 500"),
        ("http-client-error-unset", "CLIENT \"GET\" 500"),
    ] {
        check(rule, &format!("api {line} status=OK\n"), "pass");
        check("ok-set-by-instrumentation", &format!("api {line} status=OK\n"), "fail: information api");
    }
    check("ok-set-by-instrumentation", "api INTERNAL \"work\" status=OK\n", "not-applicable");
}

#[test]
fn nothing_is_said_of_what_is_not_known() {
    let no_code = "api SERVER \"a.B/C\"\n";
    check("grpc-server-error-unset", no_code, "not-observed");
    check("http-server-error-unset", no_code, "not-applicable");
    check("grpc-client-error-unset", no_code, "not-applicable");
    let no_kinds = "api UNSPECIFIED \"a.B/C\" rpc.system=\"grpc\" rpc.grpc.status_code=13\n";
    check("grpc-server-error-unset", no_kinds, "not-observed");
    let one_kind =
        "api UNSPECIFIED \"a.B/C\" rpc.system=\"grpc\" rpc.grpc.status_code=13\n  api INTERNAL \"work\"\n";
    check("grpc-server-error-unset", one_kind, "not-applicable");
    let database = "api CLIENT \"SELECT\" db.system.name=\"postgresql\" status=ERROR error.type=\"42P01\"\n";
    check("http-client-error-unset", database, "not-applicable");
    check("grpc-client-error-unset", database, "not-applicable");
}

#[test]
fn the_wire_decides_where_a_label_is_missing_or_wrong() {
    let hop = |wire: &str, label: &str| {
        format!(
            "api CLIENT \"a.B/C\" {label} id=S1\n  backend SERVER \"a.B/C\" {label}\nwire:\n  api -> backend h2c {wire} traceparent: T1-S1-01\n"
        )
    };
    check("grpc-client-error-unset", &hop("INTERNAL", ""), "fail: violation api");
    check("grpc-server-error-unset", &hop("INTERNAL", ""), "fail: violation backend");
    check("grpc-server-error-unset", &hop("INTERNAL", "OK"), "fail: violation backend");
    // Answers that broke off have no code; what the span says counts.
    check("grpc-server-error-unset", &hop("INTERNAL reset=8", "CANCELLED"), "pass");
    check("grpc-server-error-unset", &hop("canceled", "CANCELLED"), "pass");
    // A client may fail by itself.
    check("grpc-client-error-unset", &hop("OK", "DEADLINE_EXCEEDED"), "fail: violation api");
}

#[test]
fn what_the_front_answered_is_no_answer_of_the_service() {
    let text = r#"api CLIENT "a.B/C" UNAVAILABLE id=S1
  backend SERVER "a.B/C" OK
wire:
  api -> backend h2c 503 by-front traceparent: T1-S1-01
"#;
    check("grpc-client-error-unset", text, "fail: violation api");
    check("grpc-server-error-unset", text, "pass");
    check("status-code-label-wrong", text, "not-applicable");
}

#[test]
fn of_several_attempts_the_last_counts() {
    let attempts = |codes: [&str; 2], status: &str| {
        let [first, last] = codes;
        format!(
            r#"api CLIENT "a.B/C" {last} id=S1 {status}
  backend SERVER "a.B/C" {first} status=ERROR error.type="x"
  backend SERVER "a.B/C" {last} status=ERROR error.type="x"
wire:
  api -> backend h2c {first} traceparent: T1-S1-01
  api -> backend h2c {last} traceparent: T1-S1-01
"#
        )
    };
    check("grpc-client-error-unset", &attempts(["UNAVAILABLE", "OK"], ""), "pass");
    check("status-code-label-wrong", &attempts(["UNAVAILABLE", "OK"], ""), "pass");
    check("grpc-client-error-unset", &attempts(["UNAVAILABLE", "UNAVAILABLE"], ""), "fail: violation api");
    let error = "status=ERROR error.type=\"UNAVAILABLE\"";
    check("grpc-client-error-unset", &attempts(["UNAVAILABLE", "UNAVAILABLE"], error), "pass");
}

#[test]
fn calls_that_the_caller_gave_up_are_exempt() {
    let text = |end: &str| {
        format!(
            "shop CLIENT \"GET\" 503 id=S1\nwire:\n  shop -> stock http/1.1 \"GET /\" 503 {end} traceparent: T1-S1-01\n"
        )
    };
    check("http-client-error-unset", &text(""), "fail: violation shop");
    check("http-client-error-unset", &text("canceled"), "pass");
}

#[test]
fn an_answer_that_broke_off_may_be_an_error_whatever_its_code() {
    let text = |code: u16, end: &str| {
        format!(
            "driver CLIENT \"GET /\" {code} id=S1\n  api SERVER \"GET /\" {code} status=ERROR\nwire:\n  driver -> api http/1.1 {end} traceparent: T1-S1-01\n"
        )
    };
    check("http-server-error-overset", &text(404, ""), "fail: warning api");
    check("http-server-error-overset", &text(404, "reset"), "pass");
    check("error-on-success", &text(200, ""), "fail: warning api");
    check("error-on-success", &text(200, "reset"), "pass");
    check("error-on-success", &text(503, ""), "pass");
}

#[test]
fn labels_are_compared_with_the_wire() {
    let server = |wire: &str, label: &str| {
        format!(
            "driver CLIENT \"x\" id=S1\n  backend SERVER \"a.B/C\" {label}\nwire:\n  driver -> backend h2c {wire} traceparent: T1-S1-01\n"
        )
    };
    let rule = "status-code-label-wrong";
    check(rule, &server("UNKNOWN", "UNKNOWN"), "pass");
    check(rule, &server("UNKNOWN", "OK"), "fail: violation backend");
    check(rule, &server("UNKNOWN", "rpc.grpc.status_code=0"), "fail: violation backend");
    check(rule, &server("OK", "INTERNAL"), "fail: violation backend");
    check(rule, &server("DEADLINE_EXCEEDED", "CANCELLED"), "pass");
    check(rule, &server("UNKNOWN reset=8", "INTERNAL"), "not-applicable");
    check(rule, &server("UNKNOWN", ""), "not-applicable");
    check(rule, &server("UNKNOWN", "rpc.response.status_code=<code>"), "not-applicable");
    let client = |wire: &str, label: &str| {
        format!(
            "api CLIENT \"a.B/C\" {label} id=S1\nwire:\n  api -> backend h2c {wire} traceparent: T1-S1-01\n"
        )
    };
    check(rule, &client("OK", "DEADLINE_EXCEEDED"), "pass");
    check(rule, &client("OK", "RESOURCE_EXHAUSTED"), "pass");
    check(rule, &client("INTERNAL", "OK"), "fail: violation api");
    let http = |wire: &str, label: &str| {
        format!(
            "shop CLIENT \"GET\" {label} id=S1\nwire:\n  shop -> stock http/1.1 \"GET /\" {wire} traceparent: T1-S1-01\n"
        )
    };
    check(rule, &http("500", "200"), "fail: violation shop");
    check(rule, &http("500 canceled", "200"), "pass");
    check(rule, &http("302", "200"), "pass");
    check(rule, "backend SERVER \"a.B/C\" OK\n", "not-observed");
}

#[test]
fn errors_say_of_what_type_they_are_and_only_errors_have_a_description() {
    check("error-type-missing", "api INTERNAL \"work\" status=ERROR\n", "not-applicable");
    check("error-type-missing", "api CLIENT \"GET\" 500 status=ERROR\n", "fail: warning api");
    check("error-type-missing", "api SERVER \"GET /\" 500\n", "not-applicable");
    check("status-description-on-ok", "api INTERNAL \"work\" status=OK \"fine\"\n", "fail: warning api");
    check("status-description-on-ok", "api INTERNAL \"work\" status=ERROR \"bad\"\n", "pass");
}

#[test]
fn exceptions_are_the_same_by_type_and_message() {
    let text = |first: &str, second: &str| {
        format!("api SERVER \"GET /\" 500\n  | event {first}\n  | event {second}\n")
    };
    let rule = "exception-recorded-twice";
    let (one, other) = (
        r#""exception" exception.type="E" exception.message="a""#,
        r#""exception" exception.type="E" exception.message="b""#,
    );
    check(rule, &text(one, one), "fail: warning api");
    check(rule, &text(one, other), "pass");
    check(rule, &text("\"exception\"", "\"exception\""), "pass");
    check(rule, &text("\"retry\"", "\"retry\""), "not-applicable");
    let attempts = r#"api CLIENT "a.B/C" UNAVAILABLE id=S1
  | event "exception" exception.type="E" exception.message="a"
  | event "exception" exception.type="E" exception.message="a"
wire:
  api -> backend h2c UNAVAILABLE traceparent: T1-S1-01
  api -> backend h2c UNAVAILABLE traceparent: T1-S1-01
"#;
    check(rule, attempts, "pass");
}

#[test]
fn what_is_met_again_after_a_pause_is_another_exception() {
    let event = "  | event \"exception\" exception.type=\"E\" exception.message=\"a\"\n";
    let mut observation =
        notation::parse(&format!("api INTERNAL \"retries\"\n{}", event.repeat(3))).expect("a text");
    let start = observation.spans[0].start;
    // In milliseconds, and how often one exception is said to stand there.
    for (times, expected) in [
        ([1000, 3000, 7000], None),
        ([1000, 1005, 7000], Some("2 times")),
        ([7000, 1000, 6950], Some("2 times")),
        ([1000, 1050, 1120], Some("3 times")),
    ] {
        for (event, time) in observation.spans[0].events.iter_mut().zip(times) {
            event.time = start + time * 1_000_000;
        }
        let findings = Engine::new(Profile::Strict).check(&observation).findings;
        let found = findings.iter().find(|finding| finding.rule == "exception-recorded-twice");
        assert_eq!(found.and_then(|finding| finding.actual.as_deref()), expected, "{times:?}");
    }
}

#[test]
fn a_span_lasts_as_long_as_its_stream() {
    let text = |ends: [&str; 2], wire: &str| {
        let [client, server] = ends;
        format!(
            "api CLIENT \"a.B/C\" OK id=S1 {client}\n  backend SERVER \"a.B/C\" OK {server}\nwire:\n  api -> backend h2c {wire} traceparent: T1-S1-01\n"
        )
    };
    let rule = "span-ends-before-stream";
    let early = "ends-before-stream";
    check(rule, &text(["", ""], "frames=3"), "pass");
    check(rule, &text(["", ""], "frames=1"), "not-applicable");
    check(rule, &text(["", early], "frames=3"), "fail: warning backend");
    check(rule, &text([early, ""], "frames=3"), "fail: warning api");
    check(rule, &text([early, ""], "frames=3 canceled"), "pass");
    // An HTTP client's span may end with the headers: the body is read later.
    let http = "shop CLIENT \"GET\" 200 id=S1 ends-before-stream\nwire:\n  shop -> stock http/1.1 frames=3 traceparent: T1-S1-01\n";
    check(rule, http, "not-applicable");
}

#[test]
fn codes_of_cloud_trace() {
    let text =
        |via: &str, status: &str| format!("api SERVER \"GET /\" 500 {via} {status} error.type=\"500\"\n");
    let rule = "cloud-trace-status-code-wrong";
    for (status, expected) in [
        ("status=ERROR rpc-code=2", "pass"),
        ("status=ERROR rpc-code=13", "fail: warning api"),
        ("status=ERROR rpc-code=99", "fail: warning api"),
        ("status=OK rpc-code=0", "pass"),
        ("", "pass"),
    ] {
        check(rule, &text("via=cloud-trace-grpc", status), expected);
        check(rule, &text("via=cloud-trace-rest", status), expected);
    }
    check(rule, &text("via=otlp-grpc", "status=ERROR"), "not-applicable");
}

#[test]
fn an_exception_that_nobody_caught_is_one_cause() {
    let text = r#"driver CLIENT "POST /greet" 500 id=S1
  api SERVER "POST /greet" 500 status=ERROR error.type="500"
    api CLIENT "a.B/C" UNKNOWN id=S3 status=ERROR error.type="UNKNOWN"
      backend SERVER "a.B/C" OK
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
  api -> backend h2c UNKNOWN traceparent: T1-S3-01
"#;
    causes(text, &["status-code-label-wrong (grpc-server-error-unset, label-values-disagree)"]);
}
