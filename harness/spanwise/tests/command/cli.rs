//! Commands and their exit codes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::{SUITE, check, folder, spanwise};
use tempfile::TempDir;

#[test]
fn a_suite_that_conforms_ends_with_zero() {
    let text = check(&[("small.yaml", SUITE)], &["run", "small.yaml"], 0, &["1 permutation: 1 passed"]);
    assert!(text.contains("backend-service SERVER \"backend_service.v1.BackendService/Greet\" OK"), "{text}");
}

#[test]
fn an_answer_that_the_suite_does_not_expect_fails_unless_it_is_known() {
    let wrong = SUITE.replace("grpc: OK", "grpc: NOT_FOUND");
    let known = |suite: &str| {
        format!(
            "{suite}known-failing:\n  - {{ pattern: \"small/**\", rules: [unexpected-response], \
             reason: being mended, link: \"https://example.com/1\" }}\n"
        )
    };
    check(&[("small.yaml", &wrong)], &["run", "small.yaml"], 1, &["1 failed", "unexpected-response"]);
    let met = ["1 failed as known", "being mended <https://example.com/1>"];
    check(&[("small.yaml", &known(&wrong))], &["run", "small.yaml"], 0, &met);
    let stale = ["1 unexpectedly passed", "being mended", "remove `small/**`"];
    check(&[("small.yaml", &known(SUITE))], &["run", "small.yaml"], 1, &stale);
}

/// Lines below the suite that list a known failure.
fn known(list: &str, pattern: &str) -> String {
    format!("{list}:\n  - {{ pattern: \"{pattern}\", rules: [unexpected-response], reason: being mended }}\n")
}

#[test]
fn a_stale_known_failure_beats_what_could_not_run() {
    let suite = SUITE.replace(
        "axes:\n  entry: [grpc]",
        "  web:\n    command: [no-such-program-anywhere]\n    protocol: http\naxes:\n  entry: [grpc, http]",
    ) + "  page:\n    http: { to: web, get: / }\n";
    let stale = suite + &known("known-failing", "small/greet/**");
    let parts = ["1 unexpectedly passed", "1 could not run"];
    check(&[("small.yaml", &stale)], &["run", "small.yaml"], 1, &parts);
}

#[test]
fn a_known_failure_of_nothing_is_a_mistake_even_where_a_filter_would_leave_it_out() {
    let suite = format!("{SUITE}{}", known("known-failing", "small/gret/**"));
    let arguments = ["run", "small.yaml", "--filter", "small/greet"];
    check(&[("small.yaml", &suite)], &arguments, 2, &["small/gret/**", "small.yaml:16:"]);
}

#[test]
fn known_flaky_permutations_may_pass_or_fail() {
    let flaky = known("known-flaky", "small/**");
    let fails = SUITE.replace("grpc: OK", "grpc: NOT_FOUND");
    for (suite, part) in [(SUITE, "1 passed"), (&fails, "1 failed as known")] {
        check(&[("small.yaml", &format!("{suite}{flaky}"))], &["run", "small.yaml"], 0, &[part]);
    }
}

#[test]
fn a_lowered_level_passes_with_the_finding() {
    let wrong = SUITE.replace("grpc: OK", "grpc: NOT_FOUND") + "levels: { unexpected-response: warning }\n";
    let parts = ["1 passed", "passed with: warning unexpected-response (1 permutation)"];
    check(&[("small.yaml", &wrong)], &["run", "small.yaml"], 0, &parts);
    check(&[("small.yaml", &wrong)], &["run", "small.yaml", "--profile", "strict"], 1, &["1 failed"]);
}

#[test]
fn a_ratchet_lets_old_findings_pass_and_says_which_are_gone() {
    let wrong = SUITE.replace("grpc: OK", "grpc: NOT_FOUND");
    let folder = folder(&[("right.yaml", SUITE), ("wrong.yaml", &wrong), ("bad.txt", "# x\nsmall/greet\n")]);
    #[track_caller]
    fn check(folder: &TempDir, suite: &str, file: &str, more: &[&str], code: i32, parts: &[&str]) {
        let output = spanwise(folder, &[&["run", suite, "--ratchet", file], more].concat());
        let all =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert_eq!(output.status.code(), Some(code), "{all}");
        for part in parts {
            assert!(all.contains(part), "{part:?} is not in\n{all}");
        }
    }
    let file = || std::fs::read_to_string(folder.path().join("old.txt")).unwrap_or_default();
    let line = "small/greet\tunexpected-response\tbackend-service";

    check(&folder, "wrong.yaml", "old.txt", &[], 2, &["there is no ratchet old.txt", "`--ratchet-update`"]);
    check(&folder, "wrong.yaml", "bad.txt", &[], 2, &["bad.txt:2: expected `suite/case`"]);
    assert_eq!(file(), "", "nothing was to be written");
    let update = ["--ratchet-update"];
    check(&folder, "wrong.yaml", "old.txt", &update, 0, &["1 failed", "wrote old.txt: 1 added, 0 removed"]);
    assert!(file().starts_with("# ") && file().ends_with(&format!("\n\n{line}\n")), "{}", file());
    check(&folder, "wrong.yaml", "old.txt", &[], 0, &["1 failed as known", "in the ratchet old.txt"]);
    check(&folder, "right.yaml", "old.txt", &[], 0, &["1 passed", "1 line of old.txt can go", line]);
    check(&folder, "right.yaml", "old.txt", &update, 0, &["wrote old.txt: 0 added, 1 removed"]);
    assert!(!file().contains(line), "{}", file());
    check(&folder, "wrong.yaml", "old.txt", &[], 1, &["1 failed"]);
    let output = spanwise(&folder, &["run", "right.yaml", "--ratchet-update"]);
    assert_eq!(output.status.code(), Some(2), "it says no file");
}

#[test]
fn spans_that_the_suite_expects_are_looked_for() {
    let expected = |span: &str| SUITE.replace("grpc: OK", &format!("grpc: OK, spans: [{span}]"));
    let right = expected("{ service: backend-service, kind: SERVER, labels: { rpc.system.name: grpc } }");
    check(&[("small.yaml", &right)], &["run", "small.yaml"], 0, &["1 passed"]);
    let missing = expected("{ kind: SERVER, children: [{ name: ask the oracle }] }");
    let parts = ["expected-span-missing", "A span \"ask the oracle\" should stand directly below", "1 of 2"];
    check(&[("small.yaml", &missing)], &["run", "small.yaml"], 1, &parts);
    let other = expected("{ kind: SERVER, labels: { rpc.system.name: 5 } }");
    check(&[("small.yaml", &other)], &["run", "small.yaml"], 1, &["expected-label-differs", "\"grpc\""]);
}

#[test]
fn the_json_report_holds_what_the_design_of_the_format_says() {
    let output = spanwise(&folder(&[("spanwise.yaml", SUITE)]), &["run", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON alone");
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["summary"]["passed"], 1);
    assert_eq!(report["permutations"][0]["name"], "small/greet/entry=grpc");
    assert_eq!(report["permutations"][0]["rules"]["entry-without-server-span"], "pass");
    assert_eq!(report["permutations"][0]["traces"][0]["spans"], 1);
}

#[test]
fn mistakes_in_a_suite_point_into_the_file_and_start_nothing() {
    let broken = |from: &str, to: &str| SUITE.replace(from, to);
    let cases = [
        (broken("protocol: grpc", "protocoll: grpc"), vec!["small.yaml:6:", "protocoll"]),
        (broken("flushes-on-sigterm: true", "flushes-on-sigterm: 7"), vec!["small.yaml:7:"]),
        (broken("to: backend-service", "to: backend-servise"), vec!["small.yaml:13:", "backend-service"]),
        (
            format!("{SUITE}  greet:\n    grpc: {{ to: backend-service, call: a/B }}\n"),
            vec!["small.yaml:15:", "greet"],
        ),
        (String::new(), vec!["small.yaml"]),
    ];
    for (suite, parts) in cases {
        let text = check(&[("small.yaml", &suite)], &["run", "small.yaml"], 2, &parts);
        assert!(!text.contains("permutation"), "something ran:\n{text}");
    }
}

#[test]
fn a_form_that_is_not_sent_is_told() {
    let case = "cases:\n  greet:\n    shell: { run: 'true {{backend-service.url}}' }\n";
    let suite = SUITE.replace("cases:\n  greet:\n", case);
    let note = "spanwise: the form `shell` of case small/greet is not sent, because axis `entry` of the suite does not list it";
    check(&[("spanwise.yaml", &suite)], &["run", "--skip", "**/none"], 0, &[note, "1 permutation: 1 passed"]);
    let own = suite.replace("entry: [grpc]", "entry: [grpc, shell]") + "    axes: { entry: [grpc] }\n";
    let text = check(&[("spanwise.yaml", &own)], &["run"], 0, &["1 permutation: 1 passed"]);
    assert!(!text.contains("not sent"), "{text}");
}

#[test]
fn a_service_that_does_not_start_leaves_the_others_running() {
    let suite = SUITE.replace(
        "axes:\n  entry: [grpc]",
        "  web:\n    command: [sh, -c, \"echo out of luck >&2; exit 7\"]\n    protocol: http\naxes:\n  entry: [grpc, http]",
    ) + "  page:\n    http: { to: web, get: / }\n";
    let parts = ["1 passed", "1 could not run", "out of luck", "code 7"];
    check(&[("small.yaml", &suite)], &["run", "small.yaml"], 3, &parts);
}

#[test]
fn a_deployment_is_read_and_what_is_not_taken_of_it_is_told() {
    let file = "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: backend-service\nspec:\n  template:\n    \
                spec:\n      containers:\n      - env: [{ name: PASSWORD, valueFrom: {} }]\n";
    let suite = SUITE.replace("  entry: [grpc]\n", "  entry: [grpc]\n  platform: [plain, cloud-run]\n");
    let arguments = ["run", "small.yaml", "--service-yaml", "backend.yaml", "--filter", "**/platform=plain"];
    let told = ["1 passed", "spanwise: backend.yaml: `PASSWORD` is not set"];
    check(&[("small.yaml", &suite), ("backend.yaml", file)], &arguments, 0, &told);
    let other = file.replace("backend-service", "backend-servise");
    let mistake =
        ["backend.yaml:4:9", "no suite has a service `backend-servise`", "did you mean `backend-service`?"];
    check(&[("small.yaml", &suite), ("backend.yaml", &other)], &arguments, 2, &mistake);
    check(&[("small.yaml", &suite)], &arguments, 2, &["backend.yaml: No such file"]);
}

#[test]
fn a_program_that_is_not_there_could_not_run() {
    let suite = SUITE.replace("demo: backend-service", "command: [no-such-program-anywhere]");
    check(&[("small.yaml", &suite)], &["run", "small.yaml"], 3, &["no-such-program-anywhere", "could not"]);
}

#[test]
fn nothing_selected_is_an_outcome_of_its_own() {
    check(&[("small.yaml", SUITE)], &["run", "small.yaml", "--filter", "other/**"], 4, &["no permutation"]);
}

#[test]
fn arguments_that_mean_nothing_are_usage() {
    check(&[], &["run", "missing.yaml"], 2, &["missing.yaml"]);
    check(&[], &["run", "--filter", "a//b"], 2, &["a//b"]);
    check(&[], &["run", "--profile", "stict"], 2, &["strict"]);
    check(&[], &["explain", "parent-missing"], 2, &["parent-missing", "parent-not-exported"]);
    check(&[], &["frobnicate"], 2, &["frobnicate"]);
}

const OTLP: &str = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api-service"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"POST /greet","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":[{"key":"http.request.method","value":{"stringValue":"POST"}},{"key":"url.path","value":{"stringValue":"/greet"}},{"key":"url.scheme","value":{"stringValue":"http"}},{"key":"http.route","value":{"stringValue":"/greet"}},{"key":"http.response.status_code","value":{"intValue":"STATUS"}}]}]}]}]}"#;

#[test]
fn captures_are_checked_offline() {
    let good = OTLP.replace("STATUS", "200");
    let bad = OTLP.replace("STATUS", "500");
    check(&[("good.jsonl", &good)], &["check", "good.jsonl"], 0, &["1 passed"]);
    check(&[("bad.jsonl", &bad)], &["check", "bad.jsonl"], 1, &["http-server-error-unset", "POST /greet"]);
    check(&[("empty.jsonl", "")], &["check", "empty.jsonl"], 1, &["empty.jsonl", "nothing-received"]);
    let garbage = format!("{good}\nthis is no JSON\n");
    check(&[("mixed.jsonl", &garbage)], &["check", "mixed.jsonl"], 2, &["mixed.jsonl:2:"]);
    check(&[], &["check", "missing.jsonl"], 2, &["missing.jsonl"]);
}

#[test]
fn one_trace_may_be_spread_over_files_of_both_formats() {
    let server = r#"{"name":"projects/p","spans":[{"name":"projects/p/traces/5b8efff798038103d269b633813fc60c/spans/00f067aa0ba902b7","spanId":"00f067aa0ba902b7","parentSpanId":"eee19b7ec3c1b174","displayName":{"value":"work"},"startTime":"2018-12-13T14:37:40.1Z","endTime":"2018-12-13T14:37:40.2Z","spanKind":"INTERNAL","attributes":{"attributeMap":{"service.name":{"stringValue":{"value":"api-service"}}}}}]}"#;
    let files = [("a.jsonl", OTLP.replace("STATUS", "200")), ("b.jsonl", server.to_owned())];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let output = spanwise(&folder(&files), &["check", "a.jsonl", "b.jsonl", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["permutations"].as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report["permutations"][0]["traces"][0]["spans"], 2, "{report}");
}

#[test]
#[cfg(unix)]
fn the_collector_says_where_it_listens_and_what_it_got() {
    let mut collector = Command::new(env!("CARGO_BIN_EXE_spanwise"))
        .args(["collect", "--otlp-http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the collector starts");
    let mut lines = BufReader::new(collector.stdout.take().expect("its output")).lines();
    let first = lines.next().expect("a first line").expect("text");
    let first: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    assert!(first["otlp_grpc"].is_null() && first["cloud_trace"].is_null(), "{first}");
    let address = first["otlp_http"].as_str().expect("an address");

    let body = OTLP.replace("STATUS", "200");
    let mut connection = std::net::TcpStream::connect(address).expect("it listens");
    let head =
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(connection, "{head}content-length: {}\r\n\r\n{body}", body.len()).expect("sent");
    let answer = std::io::read_to_string(&connection).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let killed = Command::new("kill").arg(collector.id().to_string()).status().expect("kill runs");
    assert!(killed.success());
    let last = lines.next().expect("a last line").expect("text");
    let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
    let expected = serde_json::json!({"requests": 1, "spans": 1, "traces": 1, "refused": 0, "malformed": 0});
    assert_eq!(last, expected);
    assert!(collector.wait().expect("it ends").success());
}

#[test]
fn names_and_rules_can_be_listed_and_explained() {
    check(&[("spanwise.yaml", SUITE)], &["list"], 0, &["small/greet/entry=grpc"]);
    let one = check(&[("spanwise.yaml", SUITE)], &["list", "--filter", "small/greet"], 0, &[]);
    assert_eq!(one, "small/greet/entry=grpc\n");
    check(&[("spanwise.yaml", SUITE)], &["list", "--filter", "small/gret"], 4, &["no permutation"]);
    check(&[], &["list", "missing.yaml"], 2, &["missing.yaml"]);
    check(&[], &["list", "--rules", "small.yaml"], 2, &["--rules"]);
    check(&[], &["list", "--rules"], 0, &["secure-channel-unlinked", "violation", "linkage"]);
    check(&[], &["explain", "secure-channel-unlinked"], 0, &["# secure-channel-unlinked", "How to fix"]);
}

#[test]
fn init_writes_a_suite_once() {
    let folder = folder(&[
        ("requirements.txt", "fastapi\nopentelemetry-distro\n"),
        ("main.py", "app = FastAPI()\n@app.get(\"/items\")\ndef items(): ...\n"),
    ]);
    let told = |arguments: &[&str], code: i32, part: &str| {
        let output = spanwise(&folder, arguments);
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{text}");
        assert!(text.contains(part), "{part:?} is not in the output of {arguments:?}:\n{text}");
    };
    told(&["init"], 0, "wrote ./spanwise.yaml");
    told(&["list"], 0, "channel-in=secure");
    let suite = folder.path().join("spanwise.yaml");
    std::fs::write(&suite, "mine").expect("written");
    told(&["init"], 2, "spanwise.yaml is there already; --force writes over it");
    assert_eq!(std::fs::read_to_string(&suite).expect("read"), "mine");
    told(&["init", "--force"], 0, "wrote ./spanwise.yaml");
    told(&["init", "nowhere"], 2, "nowhere");
    told(&["list"], 0, "channel-in=secure");
    let first = std::fs::read_to_string(&suite).expect("read").lines().next().map(str::to_owned);
    let schema = first.as_deref().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
    assert!(folder.path().join(schema.expect("a schema in the first line")).exists());
}

#[test]
fn who_has_no_suite_is_told_that_it_is_the_demo() {
    let one = "demo/greet/entry=grpc/channel-in=insecure/**/export=otlp-grpc/propagation=tracecontext/platform=plain";
    let told = "no spanwise.yaml here, so this is the demo; `spanwise init` writes one for your services";
    check(&[], &["run", "--filter", one], 0, &[told, "1 permutation: 1 passed"]);
    let quiet = check(&[], &["run", "--quiet", "--filter", one], 0, &["1 permutation: 1 passed"]);
    assert!(!quiet.contains("this is the demo"), "{quiet}");
}

#[test]
fn init_finds_what_java_hides_in_folders() {
    let folder =
        folder(&[("pom.xml", "<project><artifactId>spring-boot-starter-web</artifactId></project>")]);
    let package = folder.path().join("src/main/java/com/example/shop/web");
    std::fs::create_dir_all(&package).expect("folders");
    let controller = "class Orders { @GetMapping(\"/orders\") String all() { return \"\"; } }";
    std::fs::write(package.join("Orders.java"), controller).expect("a file");
    // Nobody reads what it says, as behind `| head -0`.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut init = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    let ended = init.arg("init").current_dir(folder.path()).stdout(writer).status().expect("the binary runs");
    assert_eq!(ended.code(), Some(0));
    let suite = std::fs::read_to_string(folder.path().join("spanwise.yaml")).expect("a suite");
    assert!(suite.contains("get: /orders }"), "{suite}");
}

#[test]
fn services_start_in_the_folder_of_their_suite() {
    let suite = "suite: small\nservices:\n  web: { command: [sh, -c, \"cat spanwise.yaml; exit 3\"], protocol: http }\n\
                 cases:\n  page:\n    http: { to: web, get: / }\n";
    check(&[("spanwise.yaml", suite)], &["run"], 3, &["suite: small"]);
}
