//! What a run writes for machines, and how it is split and put together again: the real binary and its files.

use std::path::Path;

use crate::support::{SUITE, check, folder, spanwise};
use serde_json::Value;

/// Three cases in groups of two, of which one fails.
fn suite() -> String {
    let case = |name: &str, code: &str| {
        format!(
            "  {name}:\n    grpc: {{ to: backend-service, call: backend_service.v1.BackendService/Greet, message: \
             {{ name: Ada }} }}\n    expect: {{ grpc: {code} }}\n"
        )
    };
    let axes = SUITE
        .replace("entry: [grpc]\n", "entry: [grpc]\n  export: [gcp_trace, otlp-grpc]\nagree: [export]\n");
    format!("{axes}{}{}", case("wrong", "NOT_FOUND"), case("right", "OK"))
}

fn read(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The report without what no two runs share: times, the ids of traces, and what a rule says that goes by times.
fn comparable(text: &str) -> String {
    fn scrub(value: &mut Value) {
        match value {
            Value::Object(object) => object.iter_mut().for_each(|(key, value)| match key.as_str() {
                "duration_ms" | "trace_id" | "span_id" | "headers" | "log-without-trace" => {
                    *value = Value::Null
                }
                _ => scrub(value),
            }),
            Value::Array(items) => items.iter_mut().for_each(scrub),
            _ => {}
        }
    }
    let mut report = serde_json::from_str(text).expect("a report");
    scrub(&mut report);
    format!("{report:#}")
}

#[test]
fn one_run_writes_every_report() {
    let folder = folder(&[("small.yaml", &suite())]);
    let files = ["--json", "a.json", "--junit", "a.xml", "--markdown", "a.md"];
    let output = spanwise(&folder, &[&["run", "small.yaml", "--annotations"], &files[..]].concat());
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout);
    let again = "  again: spanwise run small.yaml --filter 'small/wrong/entry=grpc/export=gcp_trace'\n";
    assert!(shown.contains(again), "{shown}");
    let annotation =
        "\n::error file=small.yaml,line=17,col=3,title=unexpected-response::backend-service answered OK";
    assert!(shown.contains(annotation), "{shown}");
    let report: Value = serde_json::from_str(&read(folder.path(), "a.json")).expect("a report");
    let failed = &report["permutations"][4];
    assert_eq!(failed["name"], "small/wrong/entry=grpc/export=gcp_trace");
    assert_eq!(failed["place"], serde_json::json!({"file": "small.yaml", "line": 17, "column": 3}));
    assert_eq!(failed["group"], "small/wrong/entry=grpc");
    let junit = read(folder.path(), "a.xml");
    assert!(
        junit.contains("<testsuite name=\"small\" tests=\"6\" skipped=\"0\" errors=\"0\" failures=\"2\">"),
        "{junit}"
    );
    let markdown = read(folder.path(), "a.md");
    assert!(markdown.contains("**6 permutations**: 4 passed, 2 failed in"), "{markdown}");
}

#[test]
fn the_command_under_a_failure_runs_it_again() {
    let folder = folder(&[("it's small.yaml", &suite())]);
    let output = spanwise(&folder, &["run", "it's small.yaml", "--profile", "strict", "-q"]);
    let shown = String::from_utf8_lossy(&output.stdout);
    let command =
        shown.lines().find_map(|line| line.trim().strip_prefix("again: spanwise ")).expect("a command");
    let script = format!("{} {command} --format json -q", env!("CARGO_BIN_EXE_spanwise"));
    let again = std::process::Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output();
    let again = again.expect("a shell");
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stderr));
    let report: Value = serde_json::from_slice(&again.stdout).expect("a report");
    assert_eq!(report["permutations"].as_array().map(Vec::len), Some(1), "{report:#}");
}

#[test]
fn merged_shards_are_what_one_run_reports() {
    let folder = folder(&[("small.yaml", &suite())]);
    let run = |more: &[&str]| spanwise(&folder, &[&["run", "small.yaml", "-q"], more].concat()).status.code();
    assert_eq!(run(&["--json", "one.json"]), Some(1));
    let codes: Vec<Option<i32>> = (1..=3)
        .map(|shard| run(&["--shard", &format!("{shard}/3"), "--json", &format!("shard-{shard}.json")]))
        .collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(1)).count(), 1, "{codes:?}");
    let merge = [
        "merge",
        "shard-3.json",
        "shard-1.json",
        "shard-2.json",
        "--json",
        "merged.json",
        "--junit",
        "merged.xml",
    ];
    let merged = spanwise(&folder, &merge);
    assert_eq!(merged.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&merged.stdout);
    assert!(shown.contains("\n6 permutations: 4 passed, 2 failed in "), "{shown}");
    let [one, all] = ["one.json", "merged.json"].map(|file| read(folder.path(), file));
    let differ = comparable(&one)
        .lines()
        .zip(comparable(&all).lines())
        .find(|(one, all)| one != all)
        .map(|(one, all)| format!("{one} / {all}"));
    assert_eq!(differ, None);
    assert_eq!(one.lines().count(), all.lines().count());
    assert!(read(folder.path(), "merged.xml").contains("failures=\"2\""));
    // The shards that passed are no run that passed.
    let passed = codes.iter().enumerate().filter(|(_, code)| **code == Some(0));
    let passed: Vec<String> = passed.map(|(at, _)| format!("shard-{}.json", at + 1)).collect();
    let parts = spanwise(&folder, &["merge", &passed[0], &passed[1]]);
    assert_eq!(parts.status.code(), Some(3));
    let told = String::from_utf8_lossy(&parts.stderr);
    assert!(told.contains("/3 is missing: 2 of 6 permutations are in none of these reports\n"), "{told}");
    let twice = spanwise(&folder, &["merge", "one.json", "shard-1.json"]);
    assert_eq!(twice.status.code(), Some(2));
    let told = String::from_utf8_lossy(&twice.stderr);
    assert!(told.contains("is in one.json and in shard-1.json"), "{told}");
}

#[test]
fn what_cannot_be_merged_or_sharded_is_told() {
    check(&[], &["merge"], 2, &["<REPORT>..."]);
    check(&[], &["merge", "none.json"], 2, &["the report none.json cannot be read: No such file"]);
    check(&[("a.json", "{}")], &["merge", "a.json"], 2, &["a.json:1:2: this is no JSON report of spanwise"]);
    let suite = [("spanwise.yaml", SUITE)];
    check(&suite, &["run", "--shard", "2/2"], 4, &["this shard is empty"]);
    check(&suite, &["run", "--shard", "3/2"], 2, &["the shards of 2 are 1/2 to 2/2"]);
    check(&suite, &["list", "--shard", "1/2"], 0, &["small/greet/entry=grpc"]);
    check(&suite, &["run", "--skip", "small/greet"], 4, &["no permutation is selected"]);
}

#[test]
fn reports_that_cannot_be_written_are_told_before_anything_runs() {
    for option in ["--json", "--junit", "--markdown"] {
        let parts = ["the report none/a.txt cannot be written: No such file"];
        let text = check(&[("spanwise.yaml", SUITE)], &["run", option, "none/a.txt"], 2, &parts);
        assert!(!text.contains("ready"), "something ran:\n{text}");
    }
    let parts = ["`--annotations` would stand in the JSON"];
    check(&[("spanwise.yaml", SUITE)], &["run", "--format", "json", "--annotations"], 2, &parts);
}

#[test]
fn a_permutation_that_fails_now_and_then_says_how_often() {
    // The deadline of the backend's answer is over in every second start.
    let script = "command: [sh, -c, \"if rm odd 2>/dev/null; then exit 7; fi; touch odd; exec PROGRAM __demo-service backend-service\"]\n    \
                  ready: line";
    let suite =
        SUITE.replace("demo: backend-service", &script.replace("PROGRAM", env!("CARGO_BIN_EXE_spanwise")));
    let files = [("spanwise.yaml", suite.as_str())];
    let parts =
        ["could not run 2, passed 2 of 4 times", "code 7", "1 permutation: 0 passed, 1 could not run in"];
    check(&files, &["run", "--repeat", "4"], 3, &parts);
    check(&[("spanwise.yaml", SUITE)], &["run", "--repeat", "2"], 0, &["1 permutation: 1 passed in"]);
    check(&[("spanwise.yaml", SUITE)], &["run", "--repeat", "0"], 2, &["--repeat"]);
    for option in ["--record", "--jsonl"] {
        let parts = [
            &format!("`{option}` writes down one run, and `--repeat 2` makes several"),
            "leave one of them out",
        ];
        check(
            &[("spanwise.yaml", SUITE)],
            &["run", "--repeat", "2", option, "a"],
            2,
            &parts.map(|part| part as &str),
        );
    }
}

#[test]
fn the_first_failure_ends_all_rounds() {
    let files = [("spanwise.yaml", &*SUITE.replace("grpc: OK", "grpc: NOT_FOUND"))];
    let run = ["run", "--repeat", "3", "--fail-fast", "--format", "json", "-q"];
    let parts = [
        "\"failed\": 1,",
        "ended by the first failure (`--fail-fast`): 1 of 1 permutations are in the report",
    ];
    let text = check(&files, &run, 1, &parts);
    assert!(!text.contains("\"failed\": 3"), "{text}");
}

#[test]
fn a_ratchet_knows_what_failed_in_any_round() {
    // Every second start exports nothing, the others a secret.
    let script = "command: [sh, -c, \"if rm odd 2>/dev/null; then export OTEL_TRACES_EXPORTER=none; else touch odd; export \
                  OTEL_RESOURCE_ATTRIBUTES=shop.password=hunter2; fi; exec PROGRAM __demo-service backend-service\"]\n    \
                  ready: line";
    let suite =
        SUITE.replace("demo: backend-service", &script.replace("PROGRAM", env!("CARGO_BIN_EXE_spanwise")));
    let folder = folder(&[("spanwise.yaml", &suite)]);
    let run = |more: &[&str], code: i32| {
        let output = spanwise(&folder, &[&["run", "--repeat", "2", "--ratchet", "old.txt"], more].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}{}", String::from_utf8_lossy(&output.stdout));
        told
    };
    run(&["--ratchet-update"], 0);
    let file = read(folder.path(), "old.txt");
    assert!(file.contains("secret-in-label") && file.contains("nothing-received"), "{file}");
    let told = run(&[], 0);
    assert!(!told.contains("can go"), "{told}");
}

#[test]
fn the_first_failure_can_end_a_run() {
    // One start after another: of the two permutations that fail, the other one is of the next.
    let late = "  late:\n    each: { n: [1, 2, 3, 4] }\n    services: { backend-service: { env: { A: \"{{each.n}}\" } } }\n    \
                grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }\n";
    let files = [("spanwise.yaml", &*(suite() + late))];
    let parts = ["ended by the first failure (`--fail-fast`): ", " of 14 permutations are in the report"];
    let text = check(&files, &["run", "--fail-fast", "--jobs", "1"], 1, &parts);
    assert!(text.contains(" passed, 1 failed when the run was broken off"), "{text}");
    check(&files, &["run", "--fail-fast", "--skip", "**/wrong/**"], 0, &["12 permutations: 12 passed in"]);
}

#[test]
fn the_first_finding_of_a_rule_is_told_once_before_all_has_run() {
    let files = [("spanwise.yaml", &*suite())];
    let first = "unexpected-response in small/wrong/entry=grpc/export=gcp_trace: backend-service answered OK";
    let text = check(&files, &["run", "--jobs", "1", "--repeat", "2"], 1, &[first]);
    assert_eq!(text.matches("unexpected-response in ").count(), 1, "{text}");
    assert!(text.find(first) < text.find("6/12 permutations driven"), "{text}");
    let text = check(&files, &["run", "--jobs", "1", "-q"], 1, &[]);
    assert!(!text.contains("unexpected-response in "), "{text}");
}

#[test]
fn logs_are_shown_where_something_fails() {
    let files = [("spanwise.yaml", &*suite())];
    let line = "    backend-service | {\"code\":\"OK\"";
    let text = check(&files, &["run", "--logs"], 1, &["what its services wrote:", line]);
    assert_eq!(text.matches(line).count(), 1, "two permutations are shown by one");
    assert!(!check(&files, &["run"], 1, &[]).contains(line));
}

#[test]
fn services_of_several_starts_cannot_be_kept() {
    let parts = [
        "`--keep-running` leaves up one start",
        "need 2",
        "--filter 'small/greet/entry=grpc/export=gcp_trace'",
    ];
    check(&[("spanwise.yaml", &suite())], &["run", "--keep-running"], 2, &parts);
}

#[test]
fn captures_are_held_against_labels_of_ones_own() {
    let span = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"buy","kind":1,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712661000000000","attributes":[{"key":"shop.items","value":{"stringValue":"7"}}]}]}]}]}"#;
    let labels =
        "groups:\n  - id: shop\n    attributes:\n      - { id: shop.items, type: int, brief: how many }\n";
    let files = [
        ("a.jsonl", span),
        ("labels.yaml", labels),
        ("broken.yaml", "groups: 7\n"),
        ("empty.yaml", "groups: []\n"),
    ];
    check(&files, &["check", "a.jsonl"], 0, &["1 passed"]);
    check(&files, &["check", "a.jsonl", "--registry", "labels.yaml"], 1, &["label-wrong-type", "shop.items"]);
    check(&files, &["check", "a.jsonl", "--registry", "broken.yaml"], 2, &["broken.yaml:1:"]);
    check(
        &files,
        &["check", "a.jsonl", "--registry", "empty.yaml"],
        2,
        &["the registry empty.yaml defines no attribute"],
    );
    check(&files, &["check", "a.jsonl", "--registry", "none"], 2, &["the registry none cannot be read"]);
    check(
        &files,
        &["check", "a.jsonl", "--schema", "1.0.0"],
        2,
        &["no such version is built in; there is 1.42"],
    );
    check(&files, &["check", "a.jsonl", "--schema", "1.42"], 0, &["1 passed"]);
}

#[test]
fn color_is_the_environments_to_say() {
    let folder = folder(&[("good.yaml", SUITE), ("bad.yaml", "suite: a\nservicez: {}\n")]);
    #[track_caller]
    fn check(folder: &Path, suite: &str, variables: &[(&str, &str)], is_colored: bool) {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_spanwise"));
        command.args(["run", suite]).current_dir(folder).env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
        let output = command.envs(variables.iter().copied()).output().expect("the binary runs");
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert_eq!(text.contains('\u{1b}'), is_colored, "{variables:?}: {text:?}");
    }
    for suite in ["good.yaml", "bad.yaml"] {
        check(folder.path(), suite, &[], false);
        check(folder.path(), suite, &[("CLICOLOR_FORCE", "1")], true);
        check(folder.path(), suite, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false);
    }
}

#[test]
fn completions_and_pages_know_every_command() {
    check(&[], &["completions", "bash"], 0, &["_spanwise()", "--keep-running", "merge"]);
    check(&[], &["completions", "fish"], 0, &["complete -c spanwise", "shard"]);
    check(&[], &["completions", "csh"], 2, &["bash"]);
    check(&[], &["man"], 0, &[".TH spanwise 1", "spanwise\\-merge(1)"]);
    check(&[], &["man", "run"], 0, &[".TH spanwise-run 1", "\\-\\-keep\\-running"]);
    check(&[], &["man", "rum"], 2, &["no command is called \"rum\"; there are run,"]);
}
