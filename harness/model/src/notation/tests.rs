//! The language by example: texts that are read and written back as they stand.

use super::{parse, parse_all, print, print_all};

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
defects:
  field api-service export=1 at=T1/S2 place="spans[0].kind" "99 is no span kind"
  payload ? "cut off"
"#,
    );
}
