//! Every form in which a case can send: against the demo services, and what is said where an answer is another one.
//!
//! The client program of the commands is this very test binary, so that none has to be installed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

/// The variable that makes the test `client` a client: the URL to which it sends.
const CLIENT: &str = "FORMS_CLIENT";

const SERVICES: &str = r#"suite: forms
project: demo-project
services:
  backend-service: { demo: backend-service, protocol: grpc, flushes-on-sigterm: true }
  api-service:
    demo: api-service
    protocol: http
    flushes-on-sigterm: true
    env: { BACKEND_SERVICE_URL: "{{backend-service.url}}" }
axes: { entry: [http, grpc, shell] }
cases:
"#;

/// Runs a suite of the demo services with these cases, and beside it these files; compares the exit code, and looks for parts of
/// the report.
#[track_caller]
fn check(cases: &str, files: &[(&str, &str)], code: i32, parts: &[&str]) {
    check_suite(&format!("{SERVICES}{cases}"), files, code, parts);
}

#[track_caller]
fn check_suite(suite: &str, files: &[(&str, &str)], code: i32, parts: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files.iter().chain(&[("forms.yaml", suite)]) {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    let suite = folder.path().join("forms.yaml");
    let ran = Command::new(env!("CARGO_BIN_EXE_spanwise")).arg("run").arg(suite).output().expect("it runs");
    let report = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(ran.status.code(), Some(code), "{report}\n{}", String::from_utf8_lossy(&ran.stderr));
    for part in parts {
        assert!(report.contains(part), "no {part:?} in\n{report}");
    }
}

/// A command that runs this binary as a client.
fn as_client() -> String {
    let program = std::env::current_exe().expect("this program");
    format!(
        "shell: {{ run: \"{} --quiet --exact client --nocapture\", env: {{ {CLIENT}: \"{{{{api-service.url}}}}\" }} }}",
        program.display()
    )
}

/// No test, but the client: sends a request with the context that it found in its environment, and writes the answer's body.
#[test]
fn client() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var(CLIENT) else { return Ok(()) };
    let context = std::env::var("TRACEPARENT")?;
    let address = url.strip_prefix("http://").ok_or("a URL")?;
    let mut stream = TcpStream::connect(address)?;
    let body = r#"{"name":"Ada"}"#;
    write!(
        stream,
        "POST /greet HTTP/1.1\r\nhost: {address}\r\ntraceparent: {context}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    // The last line of the answer, whatever the test runner writes around it.
    println!("{}", answer.lines().last().unwrap_or_default());
    Ok(())
}

const HTTP: &str = "http: { to: api-service, post: /greet, json: { name: Ada } }";
const GRPC: &str =
    "grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }";

#[test]
fn answers_are_held_against_what_is_expected() {
    let right = "{ headers: { content-type: \"application/*\", x-none: null }, json: { reply: \"*Ada*\" } }";
    check(
        &format!("  greet:\n    {HTTP}\n    {GRPC}\n    expect: {right}\n"),
        &[],
        0,
        &["2 permutations: 2 passed"],
    );
    let wrong = "{ headers: { x-none: \"1\" }, json: { reply: Bob } }";
    check(
        &format!("  greet:\n    {GRPC}\n    expect: {wrong}\n"),
        &[],
        1,
        &[
            "The header x-none in the answer of backend-service is not what the suite expects.",
            "/reply in the answer of backend-service is not what the suite expects.\n    service   backend-service\n    expected  \"Bob\"\n    actual    \"Hello, Ada!\"\n",
        ],
    );
}

#[test]
fn a_sequence_takes_values_of_earlier_answers() {
    let case = |second: &str| {
        format!(
            "  twice:\n    sequence:\n      - name: first\n        {HTTP}\n        {GRPC}\n        \
             expect: {{ http: 200, spans: [{{ service: backend-service, kind: SERVER }}] }}\n      - {second}\n"
        )
    };
    let http =
        |name: &str| format!("http: {{ to: api-service, post: /greet, json: {{ name: \"{name}\" }} }}");
    let reply = "{{steps.first.json.reply}}";
    check(
        &case(&format!(
            "{}\n        expect: {{ http: 200, json: {{ reply: \"Hello, Hello, Ada!!\" }} }}",
            http(reply)
        )),
        &[],
        0,
        &["2 permutations: 2 passed", "step=\"first\"", "step=\"2\""],
    );
    check(
        &case(&http("{{steps.first.json.total}}")),
        &[],
        3,
        &[
            "in step 2: {{steps.first.json.total}} has no value: the answer of step first has no `total` there",
        ],
    );
    check(
        &case(&format!("{}\n        expect: {{ http: 404, spans: [{{ service: nobody* }}] }}", http("Bob"))),
        &[],
        1,
        &["In step 2, api-service answered 200 where the suite expects 404.", "step=\"2\""],
    );
}

#[test]
fn a_command_is_an_entry() {
    check(
        &format!(
            "  command:\n    {}\n    expect: {{ spans: [{{ service: api-service, children: [{{}}] }}] }}\n",
            as_client()
        ),
        &[],
        0,
        &["1 permutation: 1 passed", "      api-service SERVER \"POST /greet\" 200"],
    );
    check(
        "  command:\n    shell: { run: 'echo no luck >&2; exit 3; {{api-service.url}}' }\n",
        &[],
        1,
        &["The command ended with exit code 3 where the suite expects exit code 0.", "exit code 3: no luck"],
    );
    check(
        "  command:\n    shell: { run: 'echo begun; sleep 600; {{api-service.url}}', deadline-ms: 200 }\n",
        &[],
        1,
        &["The command still ran after 200 ms and was killed", "killed: begun"],
    );
    let beside = "  command:\n    shell: { run: 'test -e beside.txt && : {{api-service.url}}' }\n";
    check(beside, &[("beside.txt", "")], 0, &["1 permutation: 1 passed"]);
}

#[test]
fn a_command_finds_tokens_for_private_services() {
    let private =
        "cloud-run: { auth: required, min-instances: 1 }, protocol: grpc, flushes-on-sigterm: true }\n  api";
    let suite = format!(
        "{SERVICES}  command:\n    shell: {{ run: 'case $ID_TOKEN_BACKEND_SERVICE in *.*.*) exit 5;; esac; : {{{{backend-service.url}}}}' }}\n    \
         expect: {{ exit: 5 }}\n"
    );
    let suite = suite.replace("protocol: grpc, flushes-on-sigterm: true }\n  api", private);
    let suite =
        suite.replace("[http, grpc, shell] }", "[shell], channel-in: [secure], platform: [cloud-run] }");
    check_suite(&suite, &[], 0, &["1 permutation: 1 passed"]);
}

#[test]
fn messages_are_known_by_files_where_a_suite_names_them() {
    // The service knows no such method; were it asked, there would be no call.
    const PROTO: &str = "syntax = \"proto3\";\npackage backend_service.v1;\nmessage None { int32 count = 1; }\n\
                         service BackendService { rpc Nope(None) returns (None); }\n";
    let suite = SERVICES.replace("protocol: grpc,", "protocol: grpc, protos: [nope.proto],");
    let call =
        "grpc: { to: backend-service, call: backend_service.v1.BackendService/Nope, message: { count: 1 } }";
    let case = format!("  nope:\n    {call}\n    expect: {{ grpc: UNIMPLEMENTED }}\n");
    check_suite(&format!("{suite}{case}"), &[("nope.proto", PROTO)], 0, &["1 permutation: 1 passed"]);
}

#[test]
fn a_service_of_which_nothing_says_its_messages_says_both_ways_out() {
    // The mock's own endpoint serves gRPC without reflection.
    let program = env!("CARGO_BIN_EXE_spanwise");
    let suite = format!(
        "suite: mute\nservices:\n  mute:\n    command: [{program}, collect, --otlp-grpc, \"127.0.0.1:{{{{port}}}}\"]\n    \
         protocol: grpc\ncases:\n  a: {{ grpc: {{ to: mute, call: a.B/C }} }}\n"
    );
    check_suite(
        &suite,
        &[],
        3,
        &[
            "nothing says what the messages of mute are: ",
            "name its files in the suite (`protos: [FILE.proto]`), or let it serve gRPC server reflection",
        ],
    );
}
