//! Recordings as a user meets them: a run is recorded by the real binary, and replayed to the same bytes.

use std::path::Path;
use std::process::{Command, Output};

use spanwise::check::{Check, Family, Profile, Rule};
use spanwise::model::{Evidence, Level, RunEvent};
use spanwise::{Options, Recording};
use tempfile::TempDir;

/// The backend alone, with secrets where users have them: in the environment and in headers.
const SUITE: &str = r#"suite: small
project: demo-project
services:
  backend-service:
    demo: backend-service
    protocol: grpc
    flushes-on-sigterm: true
    untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]
    env: { SHOP_API_KEY: hunter2-env }
axes:
  entry: [grpc]
cases:
  greet:
    grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada }, metadata: { x-api-key: hunter2-header, x-shop: "password=hunter2-text" } }
    expect: { grpc: OK }
"#;

/// The backend, which reads no context: its spans belong to nobody, so permutations run again, alone.
const DEAF: &str = r#"suite: deaf
project: demo-project
services:
  backend-service:
    command: [env, OTEL_PROPAGATORS=none, PROGRAM, __demo-service, backend-service]
    protocol: grpc
    ready: line
    flushes-on-sigterm: true
    untraced: [grpc.health.v1.Health, grpc.reflection.v1.ServerReflection]
axes:
  entry: [grpc]
  channel-in: [insecure, secure]
  export: [otlp-grpc, otlp-http]
agree: [channel-in, export]
cases:
  greet:
    grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Ada } }
  lost:
    grpc: { to: backend-service, call: backend_service.v1.BackendService/Greet, message: { name: Bob } }
    expect: { grpc: NOT_FOUND }
"#;

/// A folder of a test's own with a suite in it.
fn folder(suite: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = suite.replace("PROGRAM", env!("CARGO_BIN_EXE_spanwise"));
    std::fs::write(folder.path().join("small.yaml"), suite).expect("a file");
    folder
}

fn spanwise(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_spanwise"));
    command.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1");
    command.output().expect("the binary runs")
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the binary; the exit code must be this one, and the parts must stand in what it says of it.
#[track_caller]
fn check(folder: &TempDir, arguments: &[&str], code: i32, parts: &[&str]) -> String {
    let output = spanwise(folder, arguments);
    let said = shown(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}{said}", shown(&output.stdout));
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in what {arguments:?} says:\n{said}");
    }
    shown(&output.stdout)
}

/// Runs with more arguments and compares the report with that of a replay, in one format.
#[track_caller]
fn same(folder: &TempDir, arguments: &[&str], code: i32, format: &str) -> String {
    let recording = format!("recording-{format}");
    let run = [&["run", "--record", &recording, "--format", format], arguments].concat();
    let report = check(folder, &run, code, &[]);
    assert!(!report.is_empty());
    let again = check(folder, &["replay", &recording, "--format", format], code, &[]);
    assert_eq!(again, report);
    report
}

/// All that stands in a folder, as text; what is in base64 unpacked beside it.
fn texts(folder: &Path) -> String {
    use base64::Engine as _;
    let mut all = String::new();
    for entry in folder.read_dir().expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        let text = shown(&bytes);
        for word in text.split('"').filter(|word| word.len() >= 16) {
            let unpacked = base64::engine::general_purpose::STANDARD.decode(word);
            all.push_str(&shown(&unpacked.unwrap_or_default()));
        }
        all.push_str(&text);
    }
    all
}

#[test]
fn a_replay_reports_what_the_run_did() {
    for format in ["terminal", "json"] {
        same(&folder(SUITE), &["small.yaml"], 0, format);
    }
}

#[test]
fn permutations_that_ran_again_are_replayed_so() {
    let folder = folder(DEAF);
    for format in ["terminal", "json"] {
        let report = same(&folder, &["small.yaml"], 1, format);
        assert!(report.contains("remote-context-ignored"), "{report}");
    }
    let lanes = std::fs::read_to_string(folder.path().join("recording-json/lanes.jsonl")).expect("the lanes");
    assert!(lanes.lines().any(|line| line.contains(r#""again":true"#)), "none ran again");
    // In which order lanes ended makes no difference.
    let report = check(&folder, &["replay", "recording-json", "--format", "json"], 1, &[]);
    reverse(&folder.path().join("recording-json"));
    assert_eq!(check(&folder, &["replay", "recording-json", "--format", "json"], 1, &[]), report);
}

/// Lets the lanes of a recording end in the opposite order: those that were shared, then those that ran again.
fn reverse(recording: &Path) {
    let read = |name: &str| std::fs::read_to_string(recording.join(name)).expect("a file");
    let (lines, exports) = (read("lanes.jsonl"), read("exports.jsonl"));
    let (mut exports, mut rest) = (exports.lines(), Vec::new());
    let mut lanes = [Vec::new(), Vec::new()];
    for line in lines.lines() {
        let read: serde_json::Value = serde_json::from_str(line).expect("JSON");
        match read["lane"]["exports"].as_u64() {
            None => rest.push(line),
            Some(count) => {
                let own: Vec<&str> = exports.by_ref().take(count as usize).collect();
                lanes[usize::from(read["lane"]["again"] == true)].push((line, own));
            }
        }
    }
    assert!(lanes.iter().all(|lanes| lanes.len() > 1), "nothing to reverse");
    let reversed: Vec<_> = lanes.iter().flat_map(|lanes| lanes.iter().rev()).collect();
    let write = |name: &str, lines: Vec<&str>| {
        std::fs::write(recording.join(name), lines.join("\n") + "\n").expect("it can be written");
    };
    write("exports.jsonl", reversed.iter().flat_map(|(_, own)| own.iter().copied()).collect());
    write("lanes.jsonl", reversed.iter().map(|(line, _)| *line).chain(rest).collect());
}

static BACKEND_SPEAKS: Rule = Rule {
    name: "backend-speaks",
    family: Family::Custom,
    level: Level::Violation,
    profile: Profile::Otel,
    since: "1.0.0",
    evidence: &[Evidence::Spans],
    explains: &[],
    explanation: "",
    check: Check::One(|index, findings| {
        for node in index.nodes() {
            findings.looked();
            findings.on_span(node, "It does.");
        }
    }),
};

#[test]
fn rules_of_the_users_own_read_a_recording() {
    let folder = folder(SUITE);
    check(&folder, &["run", "small.yaml", "--record", "recording"], 0, &[]);
    let recording = Recording::open(&folder.path().join("recording")).expect("a recording");
    let replayed = |rules| {
        let mut found = Vec::new();
        let options = Options { rules, ..recording.options() };
        let replayed = spanwise::replay(&recording, options, |event| {
            if let RunEvent::Finished(result) = event {
                found.extend(result.findings.iter().map(|finding| finding.rule.to_string()));
            }
        });
        let replayed = replayed.expect("a replay");
        assert!(replayed.is_complete && replayed.cut.is_none());
        (replayed.summary.passed, replayed.summary.failed, found)
    };
    assert_eq!(replayed(vec![]), (1, 0, vec![]));
    assert_eq!(replayed(vec![&BACKEND_SPEAKS]), (0, 1, vec!["backend-speaks".to_owned()]));
}

#[test]
fn the_demo_on_both_platforms_is_replayed() {
    let filters = [
        "demo/greet/**",
        "demo/no-context/**/export=otlp-grpc/**",
        "demo/concurrent-users/**/export=otlp-http/**",
    ];
    let filters: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
    let demo = folder("");
    std::fs::remove_file(demo.path().join("small.yaml")).expect("it is there");
    let report = same(&demo, &filters, 0, "json");
    assert!(report.contains("platform=cloud-run") && report.contains("platform=plain"), "{report}");
}

#[test]
fn no_secret_is_written() {
    // A service that tells its secrets on every span is told so.
    let told = r#"hunter2-env, OTEL_RESOURCE_ATTRIBUTES: "db.password=hunter2-resource""#;
    let folder = folder(&SUITE.replace("hunter2-env", told));
    let run = ["run", "small.yaml", "--record", "recording", "--jsonl", "spans.jsonl"];
    let report = check(&folder, &run, 1, &[]);
    assert_eq!(check(&folder, &["replay", "recording"], 1, &[]), report);
    let recorded = texts(&folder.path().join("recording"));
    assert!(recorded.contains("x-api-key") && recorded.contains("db.password"), "the evidence is there");
    assert!(!recorded.contains("hunter2"), "{recorded}");
    let spans = std::fs::read_to_string(folder.path().join("spans.jsonl")).expect("the spans");
    assert!(spans.contains("db.password") && !spans.contains("hunter2"), "{spans}");
}

#[test]
#[cfg(unix)]
fn a_recording_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder(SUITE);
    check(&folder, &["run", "small.yaml", "--record", "new/recording"], 0, &[]);
    let recording = folder.path().join("new/recording");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&recording), 0o700);
    for entry in recording.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn another_profile_judges_the_same_evidence() {
    let old_label = r#"x, OTEL_RESOURCE_ATTRIBUTES: "http.method=GET""#;
    let folder = folder(&SUITE.replace("hunter2-env", old_label));
    let strict =
        check(&folder, &["run", "small.yaml", "--record", "recording", "--profile", "strict"], 1, &[]);
    assert_eq!(check(&folder, &["replay", "recording"], 1, &[]), strict);
    let otel = check(&folder, &["replay", "recording", "--profile", "otel"], 0, &[]);
    assert!(strict.contains("1 failed") && otel.contains("1 passed"), "{strict}{otel}");
}

#[test]
fn a_replay_says_which_lines_of_the_ratchet_can_go() {
    let folder = folder(SUITE);
    std::fs::write(folder.path().join("old.txt"), "small/greet\tparent-cycle\tweb\n").expect("a file");
    let gone = ["1 line of old.txt can go", "small/greet\tparent-cycle\tweb"];
    let run = ["run", "small.yaml", "--ratchet", "old.txt", "--record"];
    check(&folder, &[&run[..], &["recording"]].concat(), 0, &gone);
    check(&folder, &["replay", "recording"], 0, &gone);
}

#[test]
fn spans_are_written_as_lines_that_are_captures() {
    let folder = folder(SUITE);
    check(&folder, &["run", "small.yaml", "--record", "recording", "--jsonl", "run.jsonl"], 0, &[]);
    check(&folder, &["replay", "recording", "--jsonl", "replay.jsonl"], 0, &[]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("the spans");
    assert_eq!(read("run.jsonl"), read("replay.jsonl"));
    let report = check(&folder, &["check", "run.jsonl"], 0, &[]);
    assert!(report.contains("SERVER \"backend_service.v1.BackendService/Greet\" OK"), "{report}");
    // The requests of a recording are one that `check` reads, too.
    assert_eq!(check(&folder, &["check", "recording/exports.jsonl"], 0, &[]), report);
}

#[test]
fn a_folder_that_holds_something_is_left_alone() {
    let folder = folder(SUITE);
    let record = |name: &str, parts: &[&str]| {
        check(&folder, &["run", "small.yaml", "--record", name], 2, parts);
    };
    record(".", &[". is not empty, and no recording", "name a folder that is empty or not there yet"]);
    record("small.yaml", &["small.yaml cannot be written", "it is a file"]);
    check(&folder, &["run", "small.yaml", "--record", "recording"], 0, &[]);
    record("recording", &["recording holds a recording already", "name a folder that is empty"]);
    // A run that could not begin leaves nothing that is in the way of the next one.
    let ratchet = ["run", "small.yaml", "--record", "later", "--ratchet", "none.txt"];
    check(&folder, &ratchet, 2, &["there is no ratchet none.txt"]);
    check(&folder, &["run", "small.yaml", "--record", "later"], 0, &[]);
    check(
        &folder,
        &["run", "small.yaml", "--jsonl", "no/such.jsonl"],
        2,
        &["no/such.jsonl cannot be written"],
    );
}

#[test]
fn a_full_disk_is_told_and_the_report_comes_all_the_same() {
    let folder = folder(SUITE);
    if !Path::new("/dev/full").exists() {
        return;
    }
    let told = ["/dev/full cannot be written", "No space left"];
    let report = check(&folder, &["run", "small.yaml", "--jsonl", "/dev/full"], 3, &told);
    assert!(report.contains("1 permutation: 1 passed"), "{report}");
}

/// Records a run, changes a file of the recording, and replays it.
#[track_caller]
fn damaged(file: &str, change: impl FnOnce(String) -> String, code: i32, parts: &[&str]) -> String {
    let folder = folder(DEAF);
    check(&folder, &["run", "small.yaml", "--record", "recording"], 1, &[]);
    let path = folder.path().join("recording").join(file);
    let text = change(std::fs::read_to_string(&path).expect("the file"));
    std::fs::write(&path, text).expect("it can be written");
    check(&folder, &["replay", "recording"], code, parts)
}

#[test]
fn a_run_that_was_killed_leaves_what_it_had() {
    let lines = |text: &str| text.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>();
    let until_first_lane = |text: String| {
        let lines = lines(&text);
        let first = lines.iter().position(|line| line.starts_with(r#"{"lane""#)).expect("a lane");
        lines[..=first].concat()
    };
    let parts = ["the recorded run was broken off"];
    let report = damaged("lanes.jsonl", until_first_lane, 1, &parts);
    assert!(
        report.contains("4 permutations: ") && report.contains("when the run was broken off"),
        "{report}"
    );

    let cut = |text: String| {
        let half = until_first_lane(text);
        half[..half.len() / 2].to_owned()
    };
    let report =
        damaged("lanes.jsonl", cut, 3, &["broken off: the last line of recording/lanes.jsonl is cut"]);
    assert!(report.contains("0 permutations"), "{report}");
}

#[test]
fn what_is_no_recording_is_told_in_words() {
    let folder = folder(SUITE);
    let replay = |name: &str, part: &str| check(&folder, &["replay", name], 2, &[part]);
    replay("nowhere", "nowhere is no recording of a run: No such file");
    replay("small.yaml", "small.yaml is no recording of a run: it is a file, and a recording is a folder");
    replay(".", ". is no recording of a run: there is no run.json in it");

    damaged("run.json", |_| String::new(), 2, &["run.json is empty"]);
    damaged(
        "run.json",
        |_| "{}".to_owned(),
        2,
        &["recording/run.json:1: is not of a recording: missing field"],
    );
    let later =
        |text: String| text.replace(r#""spanwise_recording":1,"#, r#""spanwise_recording":2,"later":0,"#);
    damaged("run.json", later, 2, &["recording format 2, written by spanwise", "and 1 is read here"]);
    damaged("lanes.jsonl", |text| format!("no\n{text}"), 2, &["lanes.jsonl:1: is not of a recording"]);
    damaged(
        "lanes.jsonl",
        |text| text.replace(r#""suite":"deaf""#, r#""suite":"b""#),
        2,
        &["there is no suite \"b\""],
    );
    damaged(
        "lanes.jsonl",
        |text| text.replace(r#""driven":[[0"#, r#""driven":[[77"#),
        2,
        &["no permutation 77"],
    );
    damaged("exports.jsonl", |_| String::new(), 2, &["exports.jsonl:1: the file ends before it"]);
    let other = |text: String| text.replace(r#""recording":1"#, r#""recording":9"#);
    damaged("exports.jsonl", other, 2, &["exports.jsonl:1: is of recording format 9"]);
}
