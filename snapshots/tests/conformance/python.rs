//! The Python pair: where its suite is, and whether this machine can run it.

use std::process::{Command, Stdio};

use libtest_mimic::{Completion, Trial};
use spanwise::plan::SuiteText;

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
