//! Holds the invariants that ARCHITECTURE.md writes down, as far as the dependency graph shows them.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Direct dependencies (development and build ones aside) of every package of the workspace.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo reads its own workspace");
    let direct = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        normal.map(|d| d.name.to_string()).collect()
    };
    metadata.packages.iter().map(|package| (package.name.to_string(), direct(package))).collect()
}

/// Fails when a package directly depends on one of the forbidden ones; an entry that ends in `*` is a prefix.
#[track_caller]
fn check(packages: &[&str], forbidden: &[&str], allowed: &[&str]) {
    let all = dependencies();
    for package in packages {
        let direct = all.get(*package).unwrap_or_else(|| panic!("no package {package} in the workspace"));
        let is_forbidden = |name: &&String| {
            let named = |f: &str| f.strip_suffix('*').map_or(*name == f, |prefix| name.starts_with(prefix));
            forbidden.iter().any(|f| named(f)) && !allowed.contains(&name.as_str())
        };
        let broken: Vec<&String> = direct.iter().filter(is_forbidden).collect();
        assert!(broken.is_empty(), "{package} must not depend on {broken:?}");
    }
}

const PURE: [&str; 6] = [
    "spanwise-model",
    "spanwise-scenario",
    "spanwise-decode",
    "spanwise-normalize",
    "spanwise-check",
    "spanwise-report",
];

#[test]
fn pure_stages_know_no_runtime_and_no_network() {
    check(&PURE, &["tokio", "tonic", "hyper", "hyper-util", "axum", "reqwest"], &[]);
}

#[test]
fn a_stage_knows_the_words_and_no_other_stage() {
    let words = ["spanwise-model"];
    check(&["spanwise-model"], &["spanwise*"], &[]);
    check(&PURE[1..], &["spanwise*"], &words);
    check(&["spanwise-drive", "spanwise-front"], &["spanwise*"], &words);
    // The platform is what a front does to requests.
    check(&["spanwise-cloud-run"], &["spanwise*"], &["spanwise-model", "spanwise-front"]);
    check(&["spanwise-collect"], &["spanwise*"], &["spanwise-model", "spanwise-decode"]);
    // A container is one more kind of instance.
    check(&["spanwise-containers"], &["spanwise*"], &["spanwise-model", "spanwise-drive"]);
}

#[test]
fn wire_types_stay_in_decode() {
    let others: Vec<String> =
        dependencies().into_keys().filter(|name| name.starts_with("spanwise")).collect();
    // The others here send: load, what services export, and what broken ones do.
    let may = ["spanwise-decode", "spanwise-bench", "spanwise-demo-common-lib", "spanwise-faults"];
    let others: Vec<&str> = others.iter().map(String::as_str).filter(|name| !may.contains(name)).collect();
    check(&others, &["opentelemetry-proto", "googleapis-tonic-google-devtools-cloudtrace-v2"], &[]);
}

#[test]
fn only_command_lines_know_clap() {
    // The benchmarks have a command line of their own, which no user sees.
    let have_one = ["spanwise", "spanwise-bench"];
    let all: Vec<String> =
        dependencies().into_keys().filter(|name| !have_one.contains(&name.as_str())).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check(&all, &["clap*"], &[]);
}

#[test]
fn services_never_depend_on_the_harness() {
    let services = ["spanwise-demo-common-lib", "spanwise-demo-api-service", "spanwise-demo-backend-service"];
    check(&services, &["spanwise*"], &["spanwise-demo-proto", "spanwise-demo-common-lib"]);
    check(&["spanwise-demo-proto"], &["spanwise*"], &[]);
}
