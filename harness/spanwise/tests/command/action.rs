//! The GitHub action: its script, run as GitHub runs it; its files, held against each other.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{SUITE, folder};
use serde_json::Value;
use tempfile::TempDir;

const ACTION: &str = include_str!("../../../../.github/actions/spanwise/action.yml");
const SCRIPT: &str = include_str!("../../../../.github/actions/spanwise/spanwise.sh");
const WORKFLOW: &str = include_str!("../../../../.github/workflows/spanwise.yml");

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// The words behind `prefix` in expressions, as `suite` of `inputs.suite`.
fn named<'t>(text: &'t str, prefix: &str) -> BTreeSet<&'t str> {
    let word = |rest: &'t str| {
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(rest.len());
        &rest[..end]
    };
    text.split(prefix).skip(1).map(word).collect()
}

#[test]
fn the_action_names_only_what_there_is() {
    let action = yaml(ACTION);
    let inputs = keys(&action["inputs"]);
    let used = named(ACTION, "inputs.");
    assert_eq!(used, inputs, "every input is used, and nothing else");
    let steps = action["runs"]["steps"].as_array().expect("steps");
    let ids: BTreeSet<&str> = steps.iter().filter_map(|step| step["id"].as_str()).collect();
    for output in named(ACTION, "steps.") {
        let (step, name) = output.split_once(".outputs.").expect("an output of a step");
        assert!(ids.contains(step), "there is no step {step}");
        let is_written =
            SCRIPT.contains(&format!("output {name} ")) || (step, name) == ("cache", "cache-hit");
        assert!(is_written, "{name} is never written");
    }
    for variable in steps.iter().flat_map(|step| keys(&step["env"])) {
        let is_read = SCRIPT.contains(&format!("${{{variable}")) || SCRIPT.contains(&format!("${variable}"));
        assert!(is_read || variable == "EXIT_CODE", "{variable} is never read");
    }
    // What an input holds must not become a part of a script.
    for step in steps {
        let run = step["run"].as_str().unwrap_or_default();
        assert!(!run.contains("${{"), "{run}");
        assert!(step["uses"].is_string() || step["shell"] == "bash", "{step}");
    }
}

#[test]
fn the_workflow_gives_the_action_what_it_takes() {
    let (action, workflow) = (yaml(ACTION), yaml(WORKFLOW));
    let inputs = keys(&action["inputs"]);
    let jobs = workflow["jobs"].as_object().expect("jobs");
    let mut uses = 0;
    for step in jobs.values().flat_map(|job| job["steps"].as_array().expect("steps")) {
        if step["uses"] == "./.github/actions/spanwise" {
            uses += 1;
            let given = keys(&step["with"]);
            assert!(given.is_subset(&inputs), "{given:?}");
        }
    }
    assert_eq!(uses, 2, "one for the shards, one for the report");
    let shards = &workflow["jobs"]["shard"]["strategy"]["matrix"]["shard"];
    let count = shards.as_array().expect("a list").len();
    assert!(WORKFLOW.contains(&format!("--shard ${{{{ matrix.shard }}}}/{count}")), "a shard is missing");
}

/// A runner: a folder with the files that GitHub gives to a step.
struct Runner(TempDir);

impl Runner {
    fn new(files: &[(&str, &str)]) -> Runner {
        let folder = folder(files);
        std::fs::create_dir(folder.path().join("temp")).expect("a folder");
        Runner(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// Runs a part of the script as a step, after which its outputs and the summary can be read.
    fn step(&self, part: &str, inputs: &[(&str, &str)]) -> Output {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.github/actions/spanwise/spanwise.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(part).current_dir(self.0.path());
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", self.0.path());
        command.env("GITHUB_OUTPUT", self.file("output")).env("GITHUB_STEP_SUMMARY", self.file("summary"));
        command.env("RUNNER_TEMP", self.file("temp")).env("BINARY", env!("CARGO_BIN_EXE_spanwise"));
        command.envs(inputs.iter().copied()).output().expect("bash runs")
    }

    /// Runs spanwise by the action; what it printed, and the exit code that it is told to end with.
    #[track_caller]
    fn run(&self, inputs: &[(&str, &str)]) -> (String, String) {
        let _ = std::fs::remove_file(self.file("output"));
        let output = self.step("run", inputs);
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "the step fails before the reports are kept: {text}");
        let outputs = self.read("output");
        let code = outputs.lines().find_map(|line| line.strip_prefix("exit-code=")).expect("an exit code");
        (text, code.to_owned())
    }
}

#[test]
fn a_run_is_annotated_summed_up_and_kept() {
    let wrong = SUITE.replace("grpc: OK", "grpc: NOT_FOUND");
    let runner = Runner::new(&[("my suite.yaml", &wrong)]);
    let (text, code) = runner.run(&[("SUITE", "my suite.yaml\n"), ("ARGS", "--filter 'small/**'\n--logs")]);
    assert_eq!(code, "1");
    let annotation = "::error file=my suite.yaml,line=12,col=3,title=unexpected-response::";
    assert!(text.lines().any(|line| line.starts_with(annotation)), "{text}");
    assert!(text.contains("what its services wrote:"), "{text}");
    assert!(
        runner.read("summary").contains("| `unexpected-response` | **violation** | 1 |"),
        "{}",
        runner.read("summary")
    );
    for report in ["report.json", "junit.xml", "summary.md"] {
        assert!(runner.file("temp/spanwise").join(report).is_file(), "{report}");
    }
    let folder = runner.file("temp/spanwise").display().to_string();
    assert!(runner.read("output").contains(&format!("folder={folder}\nreport={folder}/report.json\n")));
}

#[test]
fn shards_are_quiet_and_their_reports_are_merged() {
    let runner = Runner::new(&[(
        "spanwise.yaml",
        &SUITE.replace("entry: [grpc]", "entry: [grpc]\n  channel-in: [insecure, secure]"),
    )]);
    for shard in ["1", "2"] {
        let (text, code) = runner.run(&[("ARGS", &format!("--shard {shard}/2")), ("SUMMARY", "false")]);
        assert_eq!((code.as_str(), runner.read("summary").as_str()), ("0", ""), "{text}");
        let kept = runner.file(&format!("shards {shard}.json"));
        std::fs::copy(runner.file("temp/spanwise/report.json"), kept).expect("a report");
    }
    for (shard, folder) in [("1", "of linux"), ("2", "of macOS")] {
        std::fs::create_dir(runner.file(folder)).expect("a folder");
        let kept = runner.file(&format!("{folder}/report.json"));
        std::fs::rename(runner.file(&format!("shards {shard}.json")), kept).expect("a file");
    }
    let (text, code) = runner.run(&[("MERGE", "of linux/*.json\nof mac*/*.json\n")]);
    assert_eq!(code, "0", "{text}");
    assert!(text.contains("2 permutations: 2 passed in"), "{text}");
    assert!(runner.read("summary").contains("**2 permutations**: 2 passed"), "{}", runner.read("summary"));
}

#[test]
fn what_cannot_begin_says_so_in_the_summary() {
    let runner = Runner::new(&[("spanwise.yaml", "suite: 7\n")]);
    let (text, code) = runner.run(&[]);
    assert_eq!(code, "2", "{text}");
    assert!(
        runner.read("summary").contains("ended with code 2 and without a report"),
        "{}",
        runner.read("summary")
    );
    let (text, code) = runner.run(&[("MERGE", "none/*.json")]);
    assert_eq!(code, "2");
    assert!(
        text.contains("::error title=spanwise::no report is found by the input merge: none/*.json"),
        "{text}"
    );
    // What stands behind the open quote would be lost, and the rest would run.
    let runner = Runner::new(&[("spanwise.yaml", SUITE)]);
    let (text, code) = runner.run(&[("ARGS", "--logs 'small/greet")]);
    assert_eq!(code, "2", "{text}");
    assert!(text.contains("a quote that is not closed: --logs 'small/greet"), "{text}");
    assert_eq!(runner.step("frobnicate", &[]).status.code(), Some(2));
}

#[test]
fn what_is_installed_is_built_by_no_toolchain_of_the_users() {
    let cargo = "#!/bin/sh\necho \"$PWD\"\nfor word in \"$@\"; do printf '[%s]' \"$word\"; done\n";
    let runner = Runner::new(&[("cargo", cargo)]);
    std::fs::set_permissions(runner.file("cargo"), std::fs::Permissions::from_mode(0o755))
        .expect("a program");
    let path = format!("{}:{}", runner.0.path().display(), std::env::var("PATH").unwrap_or_default());
    let checkout =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository");
    let check = |version: &str, features: &str, expected: &str| {
        let inputs = [("PATH", &*path), ("ROOT", "/root"), ("VERSION", version), ("FEATURES", features)];
        let output = runner.step("install", &inputs);
        let text =
            String::from_utf8_lossy(&output.stdout).replace(&checkout.display().to_string(), "CHECKOUT");
        assert_eq!(text, format!("CHECKOUT\n[install][--locked][--root][/root]{expected}"));
    };
    check("", "", "[--features][][--path][CHECKOUT/harness/spanwise]");
    check("0.1.0", "containers", "[--features][containers][--version][0.1.0][spanwise]");
}

#[test]
fn the_key_of_what_is_installed_is_the_same_for_the_same_sources() {
    let key = |version: &str, features: &str| {
        let runner = Runner::new(&[]);
        let output = runner.step("key", &[("VERSION", version), ("FEATURES", features)]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let root = format!("\nroot={}\n", runner.file("temp/spanwise-install").display());
        let outputs = runner.read("output");
        outputs
            .strip_prefix("key=")
            .and_then(|rest| rest.strip_suffix(&root))
            .expect("key and root")
            .to_owned()
    };
    assert_eq!(key("0.1.0", ""), "0.1.0");
    assert_eq!(key("0.1.0", "containers, x"), "0.1.0-containers--x");
    let sources = key("", "");
    assert!(sources.len() == 32 && sources.bytes().all(|c| c.is_ascii_hexdigit()), "{sources}");
    assert_eq!(key("", ""), sources);
}
