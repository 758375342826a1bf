//! Rules of the family `export`, a line a case.

use crate::verdicts::{causes, check};

#[test]
fn nothing_is_expected_of_what_was_not_sampled_or_not_answered() {
    let rule = "nothing-received";
    let text = |driver: &str, wire: &str| {
        format!(
            "driver CLIENT \"POST /greet\" {driver} to=api id=S1\nwire:\n  driver -> api http/1.1 \"POST /greet\" {wire}\n"
        )
    };
    let sampled = "traceparent: T1-S1-01";
    check(rule, &text("200", &format!("200 {sampled}")), "fail: violation api");
    check(rule, &text("503", &format!("503 by-front {sampled}")), "not-applicable");
    check(rule, &text("", &format!("no-answer {sampled}")), "not-applicable");
    check(rule, &text("200 unsampled", "200 traceparent: T1-S1-00"), "not-applicable");
    check(rule, &text("200 no-context", "200"), "not-observed");
    let untraced = text("200", &format!("200 {sampled}\nsettings:\n  service api http untraced=\"/greet\""));
    check(rule, &untraced, "not-applicable");
    check(rule, "driver CLIENT \"POST /greet\" 200 to=api\n", "fail: violation api");
    check(rule, "driver CLIENT \"POST /greet\" 200\n  api SERVER \"POST /greet\" 200\n", "pass");
}

#[test]
fn a_capture_holds_spans() {
    check("nothing-received", "", "fail: violation all");
    check("nothing-received", "api SERVER \"GET /\" 200\nsettings:\n  capture\n", "pass");
    check("nothing-received", "settings:\n  no-spans\n", "not-observed");
}

#[test]
fn refusals_are_told_by_service_and_reason() {
    let text = |exports: &str| format!("api SERVER \"GET /\" 200\nexport:\n{exports}");
    let rule = "export-refused";
    check(rule, &text(""), "not-applicable");
    check(rule, &text("  api otlp-grpc\n"), "pass");
    check(rule, &text("  api otlp-grpc refused UNAVAILABLE \"later\"\n"), "fail: violation api");
    let same = "  api otlp-grpc would-be-refused INVALID_ARGUMENT \"no project\"\n".repeat(3);
    check(rule, &text(&same), "fail: violation api");
    let other = "  backend otlp-grpc would-be-refused INVALID_ARGUMENT \"no project\"\n";
    check(rule, &text(&(same + other)), "fail: violation api, violation backend");
    check(rule, &text("  ? otlp-grpc refused INTERNAL \"x\"\n"), "fail: violation all");
    check(rule, "api SERVER \"GET /\" 200\n", "not-observed");
}

#[test]
fn a_batch_may_have_sixteen_mebibytes() {
    let text = |bytes: u64| format!("api SERVER \"GET /\" 200\nexport:\n  api otlp-grpc bytes={bytes}\n");
    check("batch-too-large", &text(16_777_216), "pass");
    check("batch-too-large", &text(16_777_217), "fail: violation api");
    check("batch-too-large", "export:\n", "not-applicable");
}

#[test]
fn equal_damage_is_told_once() {
    let text = |defects: &str| {
        format!("api SERVER \"GET /\" 200 id=S1\nexport:\n  api otlp-grpc\ndefects:\n{defects}")
    };
    let rule = "malformed-telemetry";
    check(rule, &text(""), "pass");
    let field = "  field api export=1 at=T1/S1 place=\"spans[0].kind\" \"99 is no span kind\"\n";
    check(rule, &text(&field.repeat(3)), "fail: violation api");
    let span = "  span api export=1 place=\"spans[1]\" \"cut off\"\n";
    check(rule, &text(&format!("{field}{span}")), "fail: violation api, violation api");
    check(rule, "defects:\n  payload ? place=\"line 7\" \"no JSON\"\n", "fail: violation all");
}

#[test]
fn strays_belong_to_no_request() {
    let text = |more: &str, wire: &str| {
        format!(
            "driver CLIENT \"GET /\" 200 id=S1\n  api SERVER \"GET /\" 200 id=S2\n{more}wire:\n  driver -> api http/1.1 traceparent: T1-S1-01\n{wire}"
        )
    };
    let rule = "stray-span";
    check(rule, &text("", ""), "pass");
    check(
        rule,
        &text("api INTERNAL \"loop\" trace=T2\napi INTERNAL \"loop\" trace=T3\n", ""),
        "fail: warning api",
    );
    check(rule, &text("api SERVER \"GET /healthz\" 200 trace=T2\n", ""), "fail: warning api");
    // By a link, by a parent in another trace, by a call that the front saw.
    check(rule, &text("api CONSUMER \"receive\" trace=T2\n  | link T1/S2\n", ""), "pass");
    check(rule, &text("api INTERNAL \"x\" trace=T2 parent=S2\n", ""), "pass");
    let call = "backend SERVER \"a.B/C\" OK trace=T2\n";
    check(rule, &text(call, "  api -> backend h2c \"POST /a.B/C\" OK traceparent: T1-S2-01\n"), "pass");
    check(rule, &text("api INTERNAL \"x\" parent=?P1\n", ""), "pass");
    // Captures know no requests; without the wire a server's root may be that of a request.
    check(rule, "api INTERNAL \"loop\"\n", "not-applicable");
    check(rule, "api INTERNAL \"loop\"\nexport:\n  api otlp-grpc\n", "not-applicable");
    let no_wire = "driver CLIENT \"GET /\" 200 no-context\nbackend SERVER \"GET /\" 200 trace=T2\n";
    check(rule, no_wire, "not-observed");
    // What a run could give to none of its permutations.
    check(rule, "api SERVER \"GET /healthz\" 200\nexport:\n", "fail: warning api");
}

#[test]
fn a_refusal_explains_what_is_missing() {
    let text = |export: &str| {
        format!(
            r#"driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200
    api CLIENT "a.B/C" OK id=S3
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
  api -> backend h2c "POST /a.B/C" OK traceparent: T1-S3-01
export:
  api otlp-grpc
  {export}
"#
        )
    };
    causes(&text(""), &["hop-without-server-span ()"]);
    causes(
        &text("backend otlp-grpc refused INTERNAL spans=1"),
        &["export-refused (hop-without-server-span)"],
    );
    let would_be = "backend otlp-grpc would-be-refused INTERNAL spans=1";
    causes(&text(would_be), &["hop-without-server-span ()", "export-refused ()"]);
    let damaged = "backend otlp-grpc\ndefects:\n  payload backend export=2 \"cut off\"";
    causes(&text(damaged), &["malformed-telemetry (hop-without-server-span)"]);
}

#[test]
fn a_refusal_explains_that_nothing_came() {
    let text = |export: &str| {
        format!(
            r#"driver CLIENT "POST /greet" 200 to=api id=S1
wire:
  driver -> api http/1.1 "POST /greet" 200 traceparent: T1-S1-01
export:
  {export}
"#
        )
    };
    causes(&text("api otlp-grpc refused INTERNAL spans=1"), &["export-refused (nothing-received)"]);
    let large = "api otlp-grpc refused RESOURCE_EXHAUSTED spans=1 bytes=20000000";
    causes(&text(large), &["batch-too-large (export-refused, nothing-received)"]);
    let damaged = "api otlp-grpc\ndefects:\n  payload api export=1 \"cut off\"";
    causes(&text(damaged), &["malformed-telemetry (nothing-received)"]);
}
