//! The normal form and the agreeing form, by example.

use spanwise_model::notation::{parse, print};
use spanwise_model::{Observation, Span, SpanId, SpanKind, TraceId};
use spanwise_normalize::{agreeing, normalize};

#[track_caller]
fn read(text: &str) -> Observation {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The normal form of a text is another text.
#[track_caller]
fn check(text: &str, normal: &str) {
    assert_eq!(print(&normalize(&read(text))), normal);
}

/// The agreeing form of a text is another text.
#[track_caller]
fn check_agreeing(text: &str, agreed: &str) {
    assert_eq!(print(&agreeing(&read(text))), agreed);
}

#[test]
fn siblings_stand_in_the_order_of_what_they_are() {
    check(
        "\
api SERVER \"GET /x\" 200 trace=T2
driver CLIENT \"GET /x\" 200 trace=T1
  api SERVER \"GET /x\" 200
    api INTERNAL \"c\"
    api INTERNAL \"a\" n=2
      api INTERNAL \"z\"
    api INTERNAL \"a\" n=1
",
        "\
driver CLIENT \"GET /x\" 200
  api SERVER \"GET /x\" 200
    api INTERNAL \"a\" n=1
    api INTERNAL \"a\" n=2
      api INTERNAL \"z\"
    api INTERNAL \"c\"
api SERVER \"GET /x\" 200 trace=T2
",
    );
}

#[test]
fn old_labels_with_ports_and_versions_in_them_are_scrubbed() {
    check(
        "api SERVER \"GET /x\" 200 http.server_name=\"localhost:40123\" rpc.user_agent=\"grpc-python/1.85.3\"\n",
        "api SERVER \"GET /x\" 200 http.server_name=<host> rpc.user_agent=<user-agent>\n",
    );
}

#[test]
fn attempts_of_one_call_keep_their_order() {
    let text = "\
api CLIENT \"a.B/C\" OK
  backend SERVER \"a.B/C\" UNAVAILABLE status=ERROR
  backend SERVER \"a.B/C\" OK
";
    check(text, text);
}

/// What one request and its call are on a platform whose front end keeps its spans, stores them, or is not there.
const KEPT: &str = r#"driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200 announced=P1
    api CLIENT "b.B/Greet" OK id=S2
      b SERVER "b.B/Greet" OK announced=P2
wire:
  driver -> api http/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01
  api -> b h2 announced=T1/P2;o=1 traceparent: T1-S2-01
"#;
const STORED: &str = r#"driver CLIENT "POST /greet" 200 id=S1
  front-end SERVER "POST /greet" 200 id=S2
    api SERVER "POST /greet" 200
      api CLIENT "b.B/Greet" OK id=S3
        front-end SERVER "POST /b.B/Greet" 200 id=S4
          b SERVER "b.B/Greet" OK
wire:
  driver -> api http/1.1 announced=T1/S2;o=1 traceparent: T1-S1-01
  api -> b h2 announced=T1/S4;o=1 traceparent: T1-S3-01
"#;
const PLAIN: &str = r#"driver CLIENT "POST /greet" 200
  api SERVER "POST /greet" 200
    api CLIENT "b.B/Greet" OK
      b SERVER "b.B/Greet" OK
"#;

#[test]
fn platforms_agree_although_a_front_end_stands_between() {
    check(KEPT, KEPT);
    check(STORED, STORED);
    check_agreeing(KEPT, PLAIN);
    check_agreeing(STORED, PLAIN);
    check_agreeing(PLAIN, PLAIN);
    // A service that brings the caller's context past the front end hangs where it would without one.
    check_agreeing(&KEPT.replace(" announced=P1\n", "\n"), PLAIN);
}

#[test]
fn a_trace_that_the_front_end_began_has_the_service_at_its_root() {
    let plain = "driver CLIENT \"GET /x\" 200 no-context\napi SERVER \"GET /x\" 200 trace=T2\n";
    let kept = "driver CLIENT \"GET /x\" 200 no-context\napi SERVER \"GET /x\" 200 trace=T2 parent=?P1\n\
                wire:\n  driver -> api http/1.1 announced=T2/P1;o=1\n";
    let stored = "driver CLIENT \"GET /x\" 200 no-context\nfront-end SERVER \"GET /x\" 200 trace=T2 id=S1\n  \
                  api SERVER \"GET /x\" 200\nwire:\n  driver -> api http/1.1 announced=T2/S1;o=1\n";
    for text in [plain, kept, stored] {
        check_agreeing(text, plain);
    }
}

#[test]
fn which_instance_answered_does_not_matter_to_platforms() {
    let on = |instance: &str| {
        format!(
            "driver CLIENT \"GET /x\" 200\n  api{instance} SERVER \"GET /x\" 200\n    api{instance} CLIENT \"b.B/Greet\" OK\n      \
             b{instance} SERVER \"b.B/Greet\" OK\n"
        )
    };
    for instance in ["", "#2", "#31"] {
        check_agreeing(&on(instance), &on(""));
    }
}

#[test]
fn what_differs_from_run_to_run_is_scrubbed() {
    check(
        "\
api SERVER \"GET /x\" 200 server.address=\"127.0.0.1\" server.port=40123 client.port=\"7\" thread.id=5 user=\"ada\"
  api CLIENT \"GET\" status=ERROR \"tcp connect error: Connection refused (os error 111)\" url.full=\"http://localhost:1/x\"
    | event \"exception\" exception.message=\"dns error: no record\" exception.stacktrace=\"0: main\"
    | event \"exception\" exception.message=\"user 5 unknown at 127.0.0.1:80\"
  api INTERNAL \"work\" scope=\"lib\" scope.version=\"1.2.3\"
wire:
  ? -> api http/1.1 authority=\"127.0.0.1:5\" user-agent: curl/8 x-forwarded-for: \"127.0.0.1:5, 10.0.0.1\"
resource:
  api process.pid=7 host.name=\"h\" service.instance.id=\"1\" telemetry.sdk.version=\"0.33\" service.namespace=\"n\"
logs:
  api: {\"time\":\"2026-01-02T03:04:05.678Z\",\"message\":\"listening on 127.0.0.1:40123\"}
",
        "\
api SERVER \"GET /x\" 200 client.port=\"<port>\" server.address=<host> server.port=<port> thread.id=<thread> user=\"ada\"
  api INTERNAL \"work\" scope=\"lib\" scope.version=\"<version>\"
  api CLIENT \"GET\" status=ERROR \"<message>\"
    | event \"exception\" exception.message=<message> exception.stacktrace=<stacktrace>
    | event \"exception\" exception.message=\"user 5 unknown at 127.0.0.1:<port>\"
wire:
  ? -> api http/1.1 x-forwarded-for: \"127.0.0.1:<port>, 10.0.0.1\"
resource:
  api host.name=<host> process.pid=<process> service.instance.id=<id> service.namespace=\"n\" telemetry.sdk.version=<version>
logs:
  api: {\"time\":\"<time>\",\"message\":\"listening on 127.0.0.1:<port>\"}
",
    );
}

#[test]
fn the_port_that_the_harness_picked_is_scrubbed() {
    check(
        "process:\n  api listening 127.0.0.1:20123\n  api listening 127.0.0.1:5000 other-port\n",
        "process:\n  api listening 127.0.0.1:8080\n  api listening 127.0.0.1:5000 other-port\n",
    );
}

#[test]
fn why_no_answer_came_is_scrubbed_where_the_machine_says_it() {
    check(
        "driver CLIENT \"GET /x\" result=\"connect error: os error 111\" to=api\n",
        "driver CLIENT \"GET /x\" to=api result=\"<message>\"\n",
    );
}

#[test]
fn exporters_and_channels_agree() {
    let agreed = "\
driver CLIENT \"GET /x\" 200
  api SERVER \"GET /x\" 200 list=\"[\\\"a b\\\",1]\" n=\"1.5\"
";
    check_agreeing(
        "\
--- permutation demo/greet/export=otlp-grpc
driver CLIENT \"GET /x\" 200 id=S1
  api SERVER \"GET /x\" 200 url.scheme=\"https\" n=1.5 list=[\"a b\", 1] network.protocol.version=\"2\" tracestate=\"a=1\"
wire:
  driver -> api h2 traceparent: T1-S1-01
resource:
  api scope=\"lib\" telemetry.sdk.language=\"rust\"
settings:
  axis export=\"otlp-grpc\"
",
        agreed,
    );
    check_agreeing(
        "\
--- permutation demo/greet/export=gcp_trace
driver CLIENT \"GET /x\" 200
  api SERVER \"GET /x\" 200 via=cloud-trace-grpc rpc-code=0 n=\"1.5\" list=\"[\\\"a b\\\", 1]\" g.co/agent=\"x\" telemetry.sdk.language=\"rust\"
",
        agreed,
    );
}

#[test]
fn text_that_only_begins_like_a_list_is_kept_and_scrubbed() {
    check_agreeing(
        "\
api INTERNAL \"work\" note=\"[Errno 111] Connection refused\" size=\"[a, b]\"
  | event \"exception\" exception.message=\"[Errno 111] Connection refused\"
",
        "\
api INTERNAL \"work\" note=\"[Errno 111] Connection refused\" size=\"[a, b]\"
  | event \"exception\" exception.message=<message>
",
    );
    check_agreeing(
        "api INTERNAL \"work\" exception.message=\"[\\\"connection refused\\\", 1]\"\n",
        "api INTERNAL \"work\" exception.message=<message>\n",
    );
}

#[test]
fn a_missing_service_name_stays_visible() {
    let agreed = "api SERVER \"GET /x\" 200\nresource:\n  api !service.name\n";
    check_agreeing("api SERVER \"GET /x\" 200 !service.name", agreed);
    check_agreeing("api SERVER \"GET /x\" 200 via=cloud-trace-grpc !service.name", agreed);
}

/// A span with the least that makes a tree.
fn span(id: u64, parent: Option<u64>) -> Span {
    Span {
        trace_id: TraceId([7; 16]),
        span_id: SpanId::from_u64(id),
        parent_span_id: parent.map(SpanId::from_u64),
        kind: SpanKind::Internal,
        name: format!("{}", id % 7),
        start: 1_700_000_000_000_000_000 + id,
        end: 1_700_000_001_000_000_000 - id,
        ..Span::default()
    }
}

#[track_caller]
fn check_shape(spans: Vec<Span>, expected: usize) {
    let normal = normalize(&Observation { spans, ..Observation::default() });
    assert_eq!(normal.spans.len(), expected);
    assert_eq!(parse(&print(&normal)), Ok(normal));
}

#[test]
fn trees_may_be_deep_and_wide() {
    check_shape((1..=10_000).map(|id| span(id, (id > 1).then(|| id - 1))).collect(), 10_000);
    check_shape((1..=20_000).map(|id| span(id, (id > 1).then_some(1))).collect(), 20_000);
    check_shape((1..=20_000).map(|id| span(id, Some(50_000))).collect(), 20_000);
    let server = |id| Span { kind: SpanKind::Server, ..span(id, None) };
    check_shape((1..=20_000).map(server).collect(), 20_000);
}

#[test]
fn a_cycle_stands_as_a_tree_whose_root_names_its_parent() {
    check(
        "a INTERNAL \"y\" parent=S2 id=S1\n  a INTERNAL \"x\" id=S2\n",
        "a INTERNAL \"x\" parent=S1\n  a INTERNAL \"y\" id=S1 starts-before-parent ends-after-parent\n",
    );
}

#[test]
fn values_that_differ_by_nature_do_not_count() {
    let trace = |order: &str, settings: &str| {
        format!(
            "web SERVER \"POST /orders\" 201 order.id={order} order.new=true\n  | event \"stored\" order.id={order}\n{settings}"
        )
    };
    let settings = "settings:\n  varying-label=\"order.i*\"\n";
    let agreed = "web SERVER \"POST /orders\" 201 order.id=<varies> order.new=true\n  | event \"stored\" order.id=<varies>\n";
    check_agreeing(&trace("\"a7f\"", settings), agreed);
    check_agreeing(&trace("12", settings), agreed);
    check_agreeing(&trace("12", ""), &trace("12", ""));
}
