//! The Python pair: where its suite is, and whether this machine can run it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};
use spanwise::init::{Folder, is_wanted, starter};
use spanwise::model::{Outcome, RunEvent};
use spanwise::plan::{SuiteText, plan};
use spanwise::{Options, run};

const SUITE: &str = include_str!("../../../fixtures/polyglot/conformance.yaml");
/// Where it is; its services are started there.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/polyglot");

pub(super) fn suite() -> SuiteText {
    SuiteText { file: format!("{FOLDER}/conformance.yaml"), text: SUITE.to_owned() }
}

/// What is missing for it, if anything is.
pub(super) fn missing() -> Option<String> {
    let mut probe = Command::new("opentelemetry-instrument");
    probe.args(["python", "-c", "import fastapi, grpc_tools, uvicorn"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = probe.status().is_ok_and(|status| status.success());
    (!is_there).then(|| {
        "the packages of fixtures/polyglot/requirements.txt are not in PATH; the README beside it has the two commands"
            .to_owned()
    })
}

/// Stands for a permutation that cannot run. Where Python is known to be there, as in CI, its absence must not pass unseen.
pub(super) fn without(name: String, missing: &str) -> Trial {
    let required = std::env::var("SPANWISE_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|tool| tool == "python");
    let missing = missing.to_owned();
    Trial::ignorable_test(name, move || match is_required {
        true => Err(missing.into()),
        false => Ok(Completion::ignored_with(missing)),
    })
}

/// A new user's way: the suite that `spanwise init` writes for a copy of the folder runs as it is, and its findings are about
/// the instrumentation.
pub(super) fn first_suite() -> Result<(), Failed> {
    let copy = tempfile::tempdir()?;
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(FOLDER)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_wanted(&name) {
            let text = std::fs::read_to_string(Path::new(FOLDER).join(&name))?;
            std::fs::write(copy.path().join(&name), &text)?;
            files.insert(name, text);
        }
    }
    let text = starter(&Folder { name: "pair".to_owned(), files }).suite;
    let file = copy.path().join("spanwise.yaml").display().to_string();
    let planned = plan(&[SuiteText { file, text }], &[])?;
    let mut found = BTreeSet::new();
    let mut could_not_run = Vec::new();
    let ran = run(Arc::new(planned.plan), Options::default(), |event| {
        let RunEvent::Finished(result) = event else { return };
        found.extend(
            result.findings.iter().map(|finding| (finding.service.clone(), finding.rule.to_string())),
        );
        if result.outcome == Outcome::CouldNotRun {
            could_not_run.push(result.reason.clone().unwrap_or_default());
        }
    });
    tokio::runtime::Runtime::new()?.block_on(ran)?;
    if !could_not_run.is_empty() {
        return Err(could_not_run.join("\n").into());
    }
    let missing = [("api", "required-rpc-label-missing"), ("backend", "label-wrong-type")]
        .into_iter()
        .filter(|(service, rule)| !found.contains(&(Some((*service).to_owned()), (*rule).to_owned())));
    match missing.map(|(_, rule)| rule).collect::<Vec<_>>().as_slice() {
        [] => Ok(()),
        missing => Err(format!("not found: {}", missing.join(", ")).into()),
    }
}
