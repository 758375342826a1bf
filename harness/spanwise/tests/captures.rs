//! `spanwise check` and `spanwise collect` as a user meets them: captures, recordings, and the mock on its own.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const TRACE: &str = "5b8efff798038103d269b633813fc60c";
const OTHER: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// An OTLP request, on one line, of one SERVER span that breaks no rule.
fn otlp(trace: &str, fields: &str) -> String {
    let attributes = [
        r#"{"key":"http.request.method","value":{"stringValue":"POST"}}"#,
        r#"{"key":"url.path","value":{"stringValue":"/greet"}}"#,
        r#"{"key":"url.scheme","value":{"stringValue":"http"}}"#,
        r#"{"key":"http.route","value":{"stringValue":"/greet"}}"#,
        r#"{"key":"http.response.status_code","value":{"intValue":"200"}}"#,
    ];
    let span = format!(
        r#"{{"traceId":"{trace}","spanId":"eee19b7ec3c1b174","name":"POST /greet","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":[{}]{fields}}}"#,
        attributes.join(",")
    );
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"api-service"}}}}]}},"scopeSpans":[{{"scope":null,"spans":[{span}]}}]}}]}}"#
    )
}

fn spanwise(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    command.current_dir(folder).env("NO_COLOR", "1");
    command
}

/// A folder of a test's own, with files in it.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("a file");
    }
    folder
}

/// Checks files of a folder; gives the report after comparing the exit code.
#[track_caller]
fn report(folder: &TempDir, files: &[&str], code: i32) -> Value {
    let output = spanwise(folder.path()).arg("check").args(files).args(["--format", "json"]).output();
    let output = output.expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!(output.status.code(), Some(code), "{report:#}\n{told}");
    report
}

/// Checks one file that cannot be read; every part must stand in what is said.
#[track_caller]
fn check_unusable(bytes: &[u8], parts: &[&str]) {
    let folder = folder(&[("file.jsonl", bytes)]);
    let output = spanwise(folder.path()).args(["check", "file.jsonl"]).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part:?} is not in {told:?}");
    }
}

/// The entries of a report: name, outcome, number of spans.
fn entries(report: &Value) -> Vec<(String, String, u64)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spans = |entry: &Value| {
        let traces = entry["traces"].as_array().into_iter().flatten();
        traces.filter_map(|trace| trace["spans"].as_u64()).sum()
    };
    let permutations = report["permutations"].as_array().into_iter().flatten();
    permutations.map(|entry| (text(&entry["name"]), text(&entry["outcome"]), spans(entry))).collect()
}

/// The root causes of a report, of its entries and of no entry.
fn causes(report: &Value) -> Vec<String> {
    let entries = report["permutations"].as_array().into_iter().flatten();
    let findings = entries.flat_map(|entry| entry["findings"].as_array().into_iter().flatten());
    let findings = findings.chain(report["strays"].as_array().into_iter().flatten());
    let roots = findings.filter(|finding| finding["consequence_of"].is_null());
    roots.map(|finding| finding["rule"].as_str().unwrap_or_default().to_owned()).collect()
}

fn entry(name: &str, outcome: &str, spans: u64) -> (String, String, u64) {
    (name.to_owned(), outcome.to_owned(), spans)
}

#[test]
fn there_is_one_entry_for_each_trace() {
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[]}]}"#;
    let text = [otlp(TRACE, "").as_str(), metrics, &otlp(OTHER, "")].join("\n");
    let folder = folder(&[("capture.jsonl", text.as_bytes()), ("empty.jsonl", b"\n")]);
    let good = report(&folder, &["capture.jsonl"], 0);
    assert_eq!(entries(&good), [entry(OTHER, "passed", 1), entry(TRACE, "passed", 1)]);
    let with_empty = report(&folder, &["capture.jsonl", "empty.jsonl"], 1);
    assert_eq!(entries(&with_empty)[2], entry("empty.jsonl", "failed", 0));
    assert_eq!(with_empty["permutations"][2]["findings"][0]["rule"], "nothing-received");
    assert_eq!(with_empty["summary"]["passed"], 2);
}

#[test]
fn a_caller_outside_of_the_capture_is_told() {
    let text = otlp(TRACE, r#","parentSpanId":"00f067aa0ba902b7""#);
    let report = report(&folder(&[("capture.jsonl", text.as_bytes())]), &["capture.jsonl"], 0);
    let tree = report["permutations"][0]["traces"][0]["tree"].as_str().expect("a tree");
    let told = "# api-service SERVER \"POST /greet\" was called from outside of the capture, by the span 00f067aa0ba902b7.";
    assert_eq!(tree.lines().next(), Some(told));
}

#[test]
fn malformed_telemetry_is_a_finding_and_the_rest_is_kept() {
    let cut =
        otlp(TRACE, "").replace("/greet\"}},{\"key\":\"url.scheme", "/\\ud83d\"}},{\"key\":\"url.scheme");
    let nothing = otlp(TRACE, "").replace("\"spans\":[", "\"spans\":[null,");
    let mut bytes = otlp(OTHER, "").into_bytes();
    let name = bytes.windows(4).position(|window| window == b"POST").expect("the name");
    bytes[name] = 0xff;
    let bytes = [otlp(TRACE, "").as_bytes(), b"\n", &bytes].concat();
    for (bytes, place) in [
        (cut.as_bytes(), "line 1 resource_spans[0].scope_spans[0].spans[0].attributes[1].value.string_value"),
        (nothing.as_bytes(), "line 1 resource_spans[0].scope_spans[0].spans[0]"),
        (&bytes[..], "line 2"),
    ] {
        let report = report(&folder(&[("capture.jsonl", bytes)]), &["capture.jsonl"], 1);
        assert_eq!(causes(&report), ["malformed-telemetry"], "{report:#}");
        assert!(report.to_string().contains(&format!("{place}:")), "{place:?} is not in {report:#}");
        assert_eq!(entries(&report).len(), 1, "{report:#}");
        assert_eq!((&*entries(&report)[0].0, entries(&report)[0].2), (TRACE, 1), "{report:#}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place() {
    check_unusable(b"{\"recording\":2}", &["file.jsonl:1:1:", "format 2"]);
    check_unusable(b"{\"recording\":1,\"source\":7}", &["file.jsonl:1:25:", "invalid type"]);
    let text = format!("{}\nthis is no JSON\n", otlp(TRACE, ""));
    check_unusable(text.as_bytes(), &["file.jsonl:2:2:", "is not JSON"]);
    check_unusable(b"{\"traces\":[]}", &["file.jsonl:1:1:", "\"traces\""]);
}

/// `spanwise collect`, running.
struct Collecting {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    first: Value,
}

impl Collecting {
    fn start(folder: &TempDir, arguments: &[&str]) -> Collecting {
        let mut command = spanwise(folder.path());
        let mut child =
            command.arg("collect").args(arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let first = lines.next().expect("a first line").expect("text");
        Collecting { child, lines, first: serde_json::from_str(&first).expect("JSON") }
    }

    /// Posts JSON to a port by its name in the first line; gives the status.
    fn post(&self, port: &str, path: &str, body: &str) -> u16 {
        let address = self.first[port].as_str().expect("an address");
        let mut connection = std::net::TcpStream::connect(address).expect("it listens");
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        let length = body.len();
        // In one piece: a refusal may close the connection before the body is asked for.
        let request =
            format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}");
        connection.write_all(request.as_bytes()).expect("sent");
        let answer = std::io::read_to_string(&connection).expect("an answer");
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status")
    }

    /// Ends it with SIGTERM; gives its last line.
    fn end(mut self) -> Value {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(killed.success());
        let last = self.lines.next().expect("a last line").expect("text");
        assert!(self.child.wait().expect("it ends").success());
        serde_json::from_str(&last).expect("JSON")
    }
}

fn counts(requests: u64, spans: u64, refused: u64) -> Value {
    json!({"requests": requests, "spans": spans, "traces": spans, "refused": refused, "malformed": 0})
}

#[test]
#[cfg(unix)]
fn a_collector_without_addresses_opens_a_free_port_for_each_protocol() {
    let folder = folder(&[]);
    let collecting = Collecting::start(&folder, &[]);
    let mut ports: Vec<_> = ["otlp_grpc", "otlp_http", "cloud_trace"]
        .iter()
        .map(|name| collecting.first[name].as_str().expect("an address").parse().expect("an address"))
        .map(|address: std::net::SocketAddr| address.port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!((ports.len(), ports.contains(&0)), (3, false));
    assert_eq!(collecting.post("otlp_http", "/v1/traces", &otlp(TRACE, "")), 200);
    assert_eq!(collecting.post("cloud_trace", "/v2/projects/p/traces:batchWrite", "{}"), 200);
    assert_eq!(collecting.end(), counts(2, 1, 0));
}

#[test]
#[cfg(unix)]
fn what_is_collected_can_be_checked() {
    let folder = folder(&[]);
    let collecting = Collecting::start(
        &folder,
        &["--otlp-http", "localhost:0", "--out", "recording", "--persona", "google"],
    );
    assert_eq!(collecting.post("otlp_http", "/v1/traces", &otlp(TRACE, "")), 200);
    assert_eq!(collecting.end(), counts(1, 1, 0));
    // It names no project, which Google would refuse: a finding on the whole. With the trace nothing is wrong.
    let found = report(&folder, &["recording"], 1);
    assert_eq!(entries(&found), [entry(TRACE, "passed", 1)]);
    assert_eq!(causes(&found), ["export-refused"]);

    let collecting = Collecting::start(
        &folder,
        &["--otlp-http", "127.0.0.1:0", "--cloud-trace", "127.0.0.1:0", "--out", "recording"],
    );
    let span = r#"{"spans":[{"name":"projects/p/traces/5b8efff798038103d269b633813fc60c/spans/00f067aa0ba902b7","spanId":"00f067aa0ba902b7","parentSpanId":"eee19b7ec3c1b174","displayName":{"value":"work"},"startTime":"2018-12-13T14:37:40.1Z","endTime":"2018-12-13T14:37:40.2Z","spanKind":"INTERNAL","attributes":{"attributeMap":{"service.name":{"stringValue":{"value":"api-service"}}}}}]}"#;
    assert_eq!(collecting.post("otlp_http", "/v1/traces", &otlp(TRACE, "")), 200);
    assert_eq!(collecting.post("cloud_trace", "/v2/projects/p/traces:batchWrite", span), 200);
    let last = json!({"requests": 2, "spans": 2, "traces": 1, "refused": 0, "malformed": 0});
    assert_eq!(collecting.end(), last);
    assert_eq!(entries(&report(&folder, &["recording"], 0)), [entry(TRACE, "passed", 2)]);
}

#[test]
#[cfg(unix)]
fn spans_that_were_refused_were_not_received() {
    let folder = folder(&[]);
    let arguments = ["--otlp-http", "127.0.0.1:0", "--out", "recording"];
    let refusing = [&arguments[..], &["--persona", "google", "--refuse"]].concat();
    let full = [&arguments[..], &["--max-memory", "10"]].concat();
    let wrong_path = ("/v1/trace", 404, &arguments[..]);
    for (path, status, arguments) in
        [("/v1/traces", 400, &refusing[..]), ("/v1/traces", 429, &full[..]), wrong_path]
    {
        let collecting = Collecting::start(&folder, arguments);
        assert_eq!(collecting.post("otlp_http", path, &otlp(TRACE, "")), status);
        assert_eq!(collecting.end(), counts(1, 0, 1), "{arguments:?}");
        let report = report(&folder, &["recording"], 1);
        assert_eq!(entries(&report), [entry("recording", "failed", 0)], "{report:#}");
        assert_eq!(causes(&report), ["export-refused"], "{report:#}");
    }
}

#[test]
fn addresses_and_filters_that_lead_nowhere_are_told() {
    let folder = folder(&[]);
    let run = |arguments: &[&str]| {
        let output = spanwise(folder.path()).args(arguments).output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = run(&["collect", "--otlp-grpc", "no-port"]);
    assert!(code == Some(2) && told.contains("HOST:PORT"), "{code:?} {told}");
    let (code, told) = run(&["list", "--filter", "other/**"]);
    assert!(code == Some(4) && told.contains("no permutation is selected"), "{code:?} {told}");
}
