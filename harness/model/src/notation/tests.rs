//! The language by example: texts that are read and written back as they stand.

use super::{diff, parse, parse_all, print, print_all};

/// A text in canonical form is written back as it was read.
#[track_caller]
fn check(text: &str) {
    let observation = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(print(&observation), text);
    assert_eq!(parse(&print(&observation)), Ok(observation));
}

#[test]
fn the_example_of_the_documentation() {
    check(
        r#"driver CLIENT "POST /greet" 503
  api-service SERVER "POST /greet" 503 status=ERROR error.type="503"
    api-service CLIENT "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR error.type="UNAVAILABLE"
backend-service SERVER "backend_service.v1.BackendService/Greet" UNAVAILABLE status=ERROR parent=?P1
wire:
  api-service -> backend-service h2c x-cloud-trace-context: T1/P1;o=1
"#,
    );
}

#[test]
fn permutations_stand_behind_their_names() {
    let text = "--- permutation demo/a\ndriver CLIENT \"GET\" 200\n--- permutation demo/b\nwire:\n";
    let observations = parse_all(text).expect("two observations");
    assert_eq!(print_all(&observations), text);
}

#[test]
fn every_field_of_a_span_line() {
    check(
        r#"driver CLIENT "POST /greet" 200
  api-service SERVER "POST /greet" 200 id=S1 !url.path url.scheme="https"
    | event "exception" exception.type="panic" n=[1, 2.0, "x", true, {"k": 0x05}]
    | link T1/S1 reason="retry"
    | link T2/P1
    api-service INTERNAL "work" id=S2 starts-before-parent
    api-service INTERNAL "work" id=S2 remote=unknown ends-after-parent a.b=1 "status"="x"
    api-service INTERNAL "other library" scope="tower" scope.version="1"
  api-service#2 SERVER "GET /x/{id}" 404 status=OK rpc-code=0 remote=false dropped-events=2 url.path="/x/1"
  other SERVER "odd name" status=ERROR "said \"no\"" tracestate="a=1" "odd key"=<port>
worker CONSUMER "receive" id=zero trace=T2 parent=S1
  | malformed span unreadable "xyz"
worker CLIENT "GET" trace=zero parent=zero time=reversed !server.port
worker SERVER "a.B/C" OK parent=?P2 remote=unknown !service.name
worker SERVER "GET /x" time=zero via=cloud-trace-grpc !service.name
worker UNSPECIFIED "" trace=T3 parent=S3 service.name="other"
  worker INTERNAL "cycle" id=S3 resource=R1
resource:
  worker service.version="1"
  R1 a=1
"#,
    );
}

#[test]
fn requests_follow_from_the_lines_of_the_driver() {
    check(
        r#"driver CLIENT "POST /greet" 200 unsampled marker="ada"
driver CLIENT "POST /greet" 200 to=backend-service no-context result=200-broken expected=UNAVAILABLE
driver CLIENT "POST /greet" result="refused" trace=T2
driver CLIENT "POST /greet" no-request trace=T3
driver CLIENT "POST /greet" 200 to=other context=T5/P1;o=0 trace=T4
api-service SERVER "POST /greet" 200 trace=T5 parent=?P1
requests:
  T1/P2 to=other context=T5/P1 result=200
"#,
    );
}

#[test]
fn every_block() {
    check(
        r#"driver CLIENT "POST /greet" 200 id=S1
  api-service SERVER "POST /greet" 200
    api-service CLIENT "a.B/C" UNAVAILABLE id=S2
      backend SERVER "a.B/C" UNAVAILABLE ends-before-stream
wire:
  driver -> api-service http/1.1 x-cloud-trace-context: T1/S1;o=1
  api-service -> backend h2c reset=8 frames=3 traceparent: T1-S2-01 tracestate: a=1
  api-service -> backend h2 OK trailers-only !content-type x-cloud-trace-context: "{T1:X}/{S2};o=1"
  api-service -> backend h2c no-answer by-front canceled x-cloud-trace-context: T1/S2
  ? -> api-service https/1.1 "GET /x?y=1" 404 authority="a:1" x: "" response y: "a b" trailers z: 0
  api-service -> backend h2c !grpc-status traceparent: T1-P1-
resource:
  api-service scope="tower" service.name=5 telemetry.sdk.language="rust"
  backend !service.name
logs:
  api-service: {"trace":"projects/p/traces/{T1}","spanId":"{S2}","x":"\{T1}"}
  api-service stderr: "thread 'main' panicked "
export:
  api-service otlp-grpc bytes=20000000 project="p" authorization: "<bearer a>"
  ? cloud-trace-rest refused UNAVAILABLE "later" would-be-refused INVALID_ARGUMENT spans=3
process:
  api-service spawned
  api-service exited signal 9
  backend exited 1
settings:
  project="demo"
  sampling=parent-based
  platform=cloud-run
  axis channel-in="secure"
  service api-service http propagation=gcp_trace,tracecontext baggage flushes-on-sigterm untraced="/healthz"
  deadline-passed
  timed
  no-spans
expected:
  api-service SERVER "POST /greet" status=UNSET a=1 "status"="x*" !b
    * * "*"
      * CLIENT "a.B/*" user.id="{{user}}"
    "a b" INTERNAL "*"
  * SERVER "*"
defects:
  field api-service export=1 at=T1/S2 place="spans[0].kind" "99 is no span kind"
  payload ? "cut off"
"#,
    );
}

#[test]
fn what_a_platform_does() {
    check(
        r#"driver CLIENT "POST /greet" 200 id=S1
  api SERVER "POST /greet" 200 id=S2
  api SERVER "POST /greet" 200 id=S2 copy export=3
wire:
  driver -> api http/1.1 announced=T1/P1;o=1 traceparent: T1-S1-01
  driver -> api http/1.1 announced=T2/P2
export:
  api otlp-grpc google
  api otlp-grpc refused UNAVAILABLE spans=2 carries=T1/S2,T2/P3
  api otlp-grpc
process:
  api spawned
  api listening 0.0.0.0:8080
  api listening [::1]:9090 other-port
  api frozen
  api thawed
  api terminated
  api killed
settings:
  service api http private audience="https://api.example" audience="custom"
"#,
    );
    check_error(
        "process:\n  api listening somewhere",
        "line 2, column 17: expected an address: `0.0.0.0:8080`, `[::]:8080`, found `somewhere`",
    );
}

#[test]
fn the_front_end_stands_between_services() {
    check(
        r#"driver CLIENT "POST /greet" 200 id=S1
  front-end SERVER "POST /greet" 200 id=S2
    api SERVER "POST /greet" 200
      api CLIENT "b.B/Greet" OK id=S3
        b SERVER "b.B/Greet" OK announced=P1
          b INTERNAL "work" "announced"="label"
b SERVER "b.B/Greet" OK parent=?P2
wire:
  driver -> api http/1.1 announced=T1/S2;o=1 traceparent: T1-S1-01
  api -> b h2 announced=T1/P1;o=1 traceparent: T1-S3-01
  ? -> b h2 announced=T1/P2;o=0
settings:
  platform=cloud-run
  front-end sampling=off spans=stored context=google region="r" not-allowed=401 not-valid=403
"#,
    );
    let announced = "driver CLIENT \"GET /x\" 200 id=S1\n  api SERVER \"GET /x\" 200 announced=P1\n";
    check_error(
        announced,
        "line 2, column 3: expected an exchange in `wire:` that announces the parent in place of the span above, found `GET /x`",
    );
    check_error(
        "api SERVER \"GET /x\" 200 announced=P1",
        "line 1, column 1: expected `announced=` on lines with indentation only, found `GET /x`",
    );
    let fields = "`sampling=` with `keep`, `on`, `off` or `rate`, `spans=` with `kept` or `stored`, `context=` with `both` or \
                  `google`, `region=\"…\"`, `not-allowed=403` or `not-valid=401`";
    check_error(
        "settings:\n  front-end sampling=some",
        &format!("line 2, column 13: expected {fields}, found `sampling=some`"),
    );
}

#[test]
fn expected_spans_that_cannot_be_read() {
    let check = |line: &str, expected: &str| check_error(&format!("expected:\n  {line}"), expected);
    check("api SERVR \"x\"", "line 2, column 7: expected a span kind such as SERVER, or `*`, found `SERVR`");
    check("api * x", "line 2, column 9: expected a text in quotes, found `x`");
    check(
        "api * \"x\" 200",
        "line 2, column 13: expected `status=`, `step=`, a label key=value or `!key`, found the end of the line",
    );
    check("api * \"x\" status=BAD", "line 2, column 20: expected `ERROR`, `OK` or `UNSET`, found `BAD`");
    let deep: String = (1..=65).map(|depth| format!("{}a * \"*\"\n", " ".repeat(depth))).collect();
    check_error(
        &format!("expected:\n{deep}"),
        "line 66, column 66: expected no more than 64 levels of expected spans, found `a`",
    );
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = parse(text).expect_err("no observation");
    assert_eq!(error.to_string(), expected, "{text}");
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let kinds = "a span kind: SERVER, CLIENT, INTERNAL, PRODUCER, CONSUMER or UNSPECIFIED";
    check_error("api", &format!("line 1, column 4: expected {kinds}, found the end of the line"));
    check_error("\n  api SRVER \"x\"", &format!("line 2, column 7: expected {kinds}, found `SRVER`"));
    check_error("api SERVER x", "line 1, column 12: expected the span's name in quotes, found `x`");
    check_error("api SERVER \"é\" a=?", &format!("line 1, column 18: expected {VALUE}, found `?`"));
    check_error(
        "api SERVER \"x",
        "line 1, column 12: expected a closing quote on the same line, found `\"x`",
    );
    check_error(
        "api SERVER \"x\" parent=S7",
        "line 1, column 23: expected a name that a span line defines with id=S7, found `S7`",
    );
    check_error(
        "api SERVER \"x\" status=BAD",
        "line 1, column 23: expected `ERROR`, `OK` or `UNSET`, found `BAD`",
    );
    check_error(
        "api SERVER \"x\" oops",
        "line 1, column 16: expected a status code (503, UNAVAILABLE), a field or a label key=value, found `oops`",
    );
    check_error(
        "wire:\n  a -> b tcp",
        "line 2, column 10: expected a transport: `http/1.1`, `h2c`, `https/1.1` or `h2`, found `tcp`",
    );
    check_error("| event \"x\"", "line 1, column 3: expected a span line above this one, found `event`");
    check_error(
        "wires:",
        &format!("line 1, column 1: expected a span line, or a block: {BLOCK_NAMES}, found `wires:`"),
    );
    check_error(
        "--- permutation a\n--- permutation b\n",
        "line 2, column 1: expected one permutation, found 2 of them",
    );
}

const VALUE: &str = "a value: \"text\", 5, 5.0, true, 0x05, [1, 2], {\"k\": 1} or <scrubbed>";
const BLOCK_NAMES: &str =
    "`requests:`, `wire:`, `resource:`, `logs:`, `export:`, `process:`, `settings:`, `expected:`, `defects:`";

/// Every line of a text can be read in another indentation, with comments and empty lines between.
#[test]
fn what_is_written_by_hand_is_read_as_what_is_printed() {
    let by_hand = parse(
        "# a comment\n\napi SERVER \"GET /x\" 200\n     api INTERNAL \"a\"\n     | b=1\n     api INTERNAL \"c\"\n",
    );
    let printed = parse("api SERVER \"GET /x\" 200\n  api INTERNAL \"a\" b=1\n  api INTERNAL \"c\"\n");
    assert_eq!(by_hand, printed);
}

#[test]
fn a_deep_tree_is_read_and_written() {
    let mut text = String::from("a SERVER \"0\"\n");
    for depth in 1..10_000 {
        match depth {
            1..=32 => text.push_str(&format!("{}a INTERNAL \"{depth}\"\n", " ".repeat(2 * depth))),
            _ => text.push_str(&format!("[{depth}] a INTERNAL \"{depth}\"\n")),
        }
    }
    check(&text);
}

/// Compares two texts; the differences stand one a line.
#[track_caller]
fn check_diff(left: &str, right: &str, expected: &str) {
    let (left, right) = (parse(left).expect("the left"), parse(right).expect("the right"));
    let texts: Vec<String> = diff(&left, &right).into_iter().map(|difference| difference.text).collect();
    assert_eq!(texts.join("\n"), expected);
}

#[test]
fn differences_are_told_in_words() {
    let left = "driver CLIENT \"GET /x\" 200\n  api SERVER \"GET /x\" 200\n    api CLIENT \"a.B/C\" OK\n      b SERVER \"a.B/C\" OK\n";
    check_diff(left, left, "");
    check_diff(
        left,
        "driver CLIENT \"GET /x\" 200\n  api SERVER \"GET /x\" 200\n    api CLIENT \"a.B/C\" OK\nb SERVER \"a.B/C\" OK trace=T2\n",
        "b SERVER \"a.B/C\": moved from child of api CLIENT \"a.B/C\" to root\n\
         b SERVER \"a.B/C\": remote parent differs: Some(true) / None",
    );
    check_diff(
        left,
        "driver CLIENT \"GET /x\" 500\n  api SERVER \"GET /x\" 500 status=ERROR error.type=\"500\"\n",
        "driver CLIENT \"GET /x\": label http.response.status_code differs: 200 / 500\n\
         api SERVER \"GET /x\": status differs: UNSET / ERROR\n\
         api SERVER \"GET /x\": label error.type is there in addition: \"500\"\n\
         api SERVER \"GET /x\": label http.response.status_code differs: 200 / 500\n\
         api CLIENT \"a.B/C\" is missing (child of api SERVER \"GET /x\")\n\
         b SERVER \"a.B/C\" is missing (child of api CLIENT \"a.B/C\")\n\
         request to api: result differs: 200 / 500",
    );
}

#[test]
fn one_trace_can_be_written_alone() {
    let text = "driver CLIENT \"GET /x\" 200 no-context\n  a SERVER \"GET /x\" 200\nb SERVER \"GET /y\" 200 trace=T2\nwire:\n";
    let observation = parse(text).expect("an observation");
    let second = observation.spans[2].trace_id;
    assert_eq!(super::print_trace(&observation, second), "b SERVER \"GET /y\" 200 trace=T2\n");
}

/// In a capture nothing but time shows who may have called.
#[test]
fn a_root_can_lie_in_a_span_of_another_tree() {
    check(
        "a SERVER \"GET /x\" 200\n  a CLIENT \"GET\" 200 id=S1\nb SERVER \"GET /y\" 200 trace=T2 during=S1\nsettings:\n  capture\n",
    );
}

/// The tutorial is read as it stands.
#[test]
fn the_examples_of_the_documentation_are_read() {
    let page: String = include_str!("mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let examples: Vec<&str> =
        page.split("```").skip(1).step_by(2).filter_map(|code| code.strip_prefix("text\n")).collect();
    let (grammar, examples) = examples.split_last().expect("examples, and the grammar last");
    assert!(grammar.starts_with("text "));
    assert_eq!(examples.len(), 4);
    for example in examples {
        let read = parse_all(example);
        assert!(read.is_ok(), "{read:?}\n{example}");
    }
}
