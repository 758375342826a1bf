//! On correct traces no rule speaks, however odd they look.

use crate::support::{check, show};

#[track_caller]
fn silent(text: &str) {
    for (_, checked) in check(text) {
        assert!(checked.findings.is_empty(), "{}", show(&checked));
    }
}

#[test]
fn attempts_share_one_client_span() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
      b SERVER "b.B/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
      b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c UNAVAILABLE traceparent: T1-S3-01
  api-service -> b h2c UNAVAILABLE traceparent: T1-S3-01
  api-service -> b h2c OK traceparent: T1-S3-01
"#,
    );
}

#[test]
fn attempts_of_a_native_client_are_spans_below_its_own() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK
      api-service INTERNAL "attempt" id=S4
        b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c traceparent: T1-S4-01
"#,
    );
}

#[test]
fn an_attempt_that_the_front_answered_has_no_server_span() {
    silent(
        r#"
driver CLIENT "POST /greet" 503 id=S1
  api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
    api-service CLIENT "b.B/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE" id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /b.B/Greet" 503 by-front traceparent: T1-S3-01
"#,
    );
}

#[test]
fn the_attempt_that_was_answered_has_the_server_span() {
    for first in ["503 by-front", "no-answer reset=7", "no-answer canceled"] {
        silent(&format!(
            r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /b.B/Greet" {first} traceparent: T1-S3-01
  api-service -> b h2c "POST /b.B/Greet" OK traceparent: T1-S3-01
"#
        ));
    }
}

#[test]
fn calls_in_parallel_under_one_header_are_told_apart_by_their_paths() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
      b SERVER "b.B/Read" NOT_FOUND
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /b.B/Read" NOT_FOUND traceparent: T1-S3-01
  api-service -> b h2c "POST /b.B/Greet" OK traceparent: T1-S3-01
"#,
    );
}

#[test]
fn what_a_service_calls_to_start_up_is_part_of_no_request() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  api-service -> keys http/1.1 "GET /keys" 200
  driver -> api-service http/1.1 traceparent: T1-S1-01
"#,
    );
}

#[test]
fn unsampled_requests_have_no_spans() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1 unsampled
wire:
  driver -> api-service http/1.1 "POST /greet" 200 traceparent: T1-S1-00
  api-service -> b h2c "POST /b.B/Greet" OK traceparent: T1-P1-00
settings:
  sampling=parent-based
"#,
    );
}

#[test]
fn a_request_without_context_begins_a_trace() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1 no-context
api-service SERVER "POST /greet" 200 trace=T2
  api-service CLIENT "b.B/Greet" OK id=S3
    b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1
  api-service -> b h2c traceparent: T2-S3-01
settings:
  sampling=parent-based
"#,
    );
}

#[test]
fn a_service_follows_the_header_that_it_is_configured_for() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1 context=T2/P1;o=1 to=api-service
api-service SERVER "POST /greet" 200 trace=T2 parent=?P1
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 x-cloud-trace-context: T2/P1;o=1
settings:
  service api-service http propagation=gcp_trace
"#,
    );
}

#[test]
fn declared_health_checks_make_no_spans() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /grpc.health.v1.Health/Check" OK
settings:
  service b grpc propagation=tracecontext untraced="grpc.health.v1.Health"
"#,
    );
}

#[test]
fn a_call_that_its_caller_gave_up_may_never_arrive() {
    silent(
        r#"
driver CLIENT "POST /greet" 504 id=S1
  api-service SERVER "POST /greet" 504 status=ERROR error.type="504"
    api-service CLIENT "b.B/Greet" DEADLINE_EXCEEDED status=ERROR error.type="DEADLINE_EXCEEDED" id=S3
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /b.B/Greet" no-answer canceled traceparent: T1-S3-01
"#,
    );
}

#[test]
fn concurrent_requests_keep_apart() {
    let mut text = String::new();
    let mut wire = String::from("wire:\n");
    for n in 0..50 {
        let (driver, client) = (2 * n + 1, 2 * n + 2);
        let during = if n == 0 { String::new() } else { " during=S1".to_owned() };
        text += &format!(
            "driver CLIENT \"POST /greet\" 200 trace=T{n} id=S{driver} marker=\"user-{n}\"{during}\n  \
             api-service SERVER \"POST /greet\" 200 user.id=\"user-{n}\"\n    \
             api-service CLIENT \"b.B/Greet\" OK id=S{client} user.id=\"user-{n}\"\n      \
             b SERVER \"b.B/Greet\" OK user.id=\"user-{n}\"\n",
            n = n,
        )
        .replace("trace=T0 ", "trace=T50 ");
        let trace = if n == 0 { 50 } else { n };
        wire += &format!(
            "  driver -> api-service http/1.1 traceparent: T{trace}-S{driver}-01\n  \
             api-service -> b h2c traceparent: T{trace}-S{client}-01\n"
        );
    }
    silent(&(text + &wire));
}

#[test]
fn a_stream_that_breaks_off_is_linked_like_any_other() {
    silent(
        r#"
driver CLIENT "GET /greet-many/{name}" 200 id=S1 result=200-broken
  api-service SERVER "GET /greet-many/{name}" 200 status=ERROR "stream broken" url.path="/greet-many/Ada" error.type="_OTHER"
    api-service CLIENT "b.B/GreetMany" INTERNAL status=ERROR error.type="INTERNAL" id=S3
      b SERVER "b.B/GreetMany" INTERNAL status=ERROR error.type="INTERNAL"
wire:
  driver -> api-service http/1.1 reset traceparent: T1-S1-01
  api-service -> b h2c INTERNAL frames=3 traceparent: T1-S3-01
"#,
    );
}

#[test]
fn the_caller_of_a_capture_may_stay_outside() {
    silent(
        r#"
api-service SERVER "POST /greet" 200 parent=?P1
  api-service CLIENT "b.B/Greet" OK
    b SERVER "b.B/Greet" OK
settings:
  capture
"#,
    );
}

#[test]
fn concurrent_requests_without_context_keep_apart() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1 no-context marker="ada" to=api-service
driver CLIENT "POST /greet" 200 trace=T2 id=S2 no-context marker="bob" during=S1 to=api-service
api-service SERVER "POST /greet" 200 trace=T3 user.id="bob" during=S2
  api-service CLIENT "b.B/Greet" OK id=S5 user.id="bob"
    b SERVER "b.B/Greet" OK user.id="bob"
api-service SERVER "POST /greet" 200 trace=T4 user.id="ada" during=S1
  api-service CLIENT "b.B/Greet" OK id=S6 user.id="ada"
    b SERVER "b.B/Greet" OK user.id="ada"
wire:
  driver -> api-service http/1.1
  driver -> api-service http/1.1
  api-service -> b h2c traceparent: T3-S5-01
  api-service -> b h2c traceparent: T4-S6-01
"#,
    );
}

#[test]
fn calls_in_parallel_and_in_turn_keep_apart() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
    api-service CLIENT "b.B/Greet" OK id=S4
      b SERVER "b.B/Greet" OK
        b CLIENT "c.C/Read" OK id=S5
          c SERVER "c.C/Read" OK
    api-service CLIENT "c.C/Read" OK id=S6
      c SERVER "c.C/Read" OK
wire:
  driver -> api-service https/1.1 traceparent: T1-S1-01
  api-service -> b h2 traceparent: T1-S4-01
  api-service -> b h2 traceparent: T1-S3-01
  b -> c h2 traceparent: T1-S5-01
  api-service -> c h2 traceparent: T1-S6-01
"#,
    );
}

#[test]
fn a_service_may_call_itself() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "POST" 200 id=S3
      api-service SERVER "POST /greet" 200
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> api-service http/1.1 traceparent: T1-S3-01
"#,
    );
}

#[test]
fn both_headers_of_a_call_may_be_sent_if_they_agree() {
    silent(
        r#"
driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "b.B/Greet" OK id=S3
      b SERVER "b.B/Greet" OK
wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01 tracestate: "a=1" baggage: "user.id=ada"
  api-service -> b h2c traceparent: T1-S3-01 x-cloud-trace-context: T1/S3 tracestate: "b=2,a=1" baggage: "user.id=ada,x=1"
settings:
  sampling=parent-based
  service api-service http propagation=gcp_trace,tracecontext baggage
  service b grpc propagation=gcp_trace,tracecontext baggage
"#,
    );
}

#[test]
fn a_call_that_was_reset_before_an_answer_may_have_a_span_or_none() {
    for server in ["", "      b SERVER \"b.B/Greet\" INTERNAL status=ERROR error.type=\"INTERNAL\"\n"] {
        silent(&format!(
            r#"
driver CLIENT "POST /greet" 500 id=S1
  api-service SERVER "POST /greet" 500 status=ERROR error.type="500"
    api-service CLIENT "b.B/Greet" INTERNAL status=ERROR error.type="INTERNAL" id=S3
{server}wire:
  driver -> api-service http/1.1 traceparent: T1-S1-01
  api-service -> b h2c "POST /b.B/Greet" no-answer reset=2 traceparent: T1-S3-01
"#
        ));
    }
}

#[test]
fn a_span_of_a_websocket_need_not_know_of_the_switch() {
    for code in ["101", "200"] {
        silent(&format!(
            r#"
driver CLIENT "GET /live" 101 id=S1
  api-service SERVER "GET /live" {code}
wire:
  driver -> api-service http/1.1 "GET /live" 101 traceparent: T1-S1-01
"#
        ));
    }
}
