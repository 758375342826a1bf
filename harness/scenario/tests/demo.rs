//! The demo suite as it is planned: its cases, names and settings are pinned, so that a change of the suite or of the
//! expansion shows what it does to them.

use std::collections::BTreeMap;
use std::fmt::Write;

use spanwise_model::Pattern;
use spanwise_scenario::{Known, Plan, ServiceStart, Setting, Start, Suite, plan};

const TEXT: &str = include_str!("../../../fixtures/suites/demo.yaml");
const KNOWN: Known<'static> = Known {
    rules: &["parent-not-exported"],
    profiles: &["cloud-run", "otel", "strict"],
    demos: &["api-service", "backend-service"],
    schemas: &["1.42"],
    registry: None,
    protos: None,
    deployed: &[],
};

fn planned(filter: &[&str]) -> Plan {
    let suite =
        Suite::parse("demo.yaml", TEXT, &KNOWN).map_err(miette::Report::new).expect("the suite is right");
    let filter: Vec<Pattern> = filter.iter().map(|text| text.parse().expect("a pattern")).collect();
    plan(&[suite], &filter).expect("one suite has no name twice")
}

#[test]
fn every_case_has_its_permutations() {
    let plan = planned(&[]);
    let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
    for permutation in &plan.permutations {
        *cases.entry(&permutation.case).or_default() += 1;
    }
    let mut text = String::new();
    for (case, count) in &cases {
        writeln!(text, "{count:5} {case}").expect("text can be written");
    }
    let total = plan.permutations.len();
    writeln!(text, "{total:5} in {} groups and {} settings", plan.groups.len(), plan.settings.len())
        .expect("text");
    insta::assert_snapshot!("cases", text);
}

#[test]
fn full_names_are_pinned() {
    let plan = planned(&[]);
    let names: Vec<&str> = plan.permutations.iter().map(|permutation| permutation.name.as_str()).collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), names.len(), "a name occurs twice");
    insta::assert_snapshot!("names", names.join("\n"));
}

#[test]
fn settings_are_pinned() {
    let plan = planned(&[]);
    let setting = |setting: &Setting| {
        let services: Vec<&str> = setting.services.iter().map(|service| service.name.as_str()).collect();
        format!("{}: {}", setting.name, services.join(", "))
    };
    insta::assert_snapshot!("settings", plan.settings.iter().map(setting).collect::<Vec<_>>().join("\n"));
}

#[test]
fn permutations_and_their_settings_are_pinned() {
    // One permutation of every kind: what it sends, expects, and starts.
    let pick = [
        "demo/greet-error/code=CANCELLED/entry=http/channel-in=secure/channel-out=secure/export=gcp_trace/propagation=both/platform=cloud-run",
        "demo/stream-broken-by-error/entry=grpc/channel-in=insecure/export=otlp-http/propagation=gcp_trace/platform=plain",
        "demo/backend-certificate-untrusted/entry=http/channel-in=insecure/export=otlp-grpc/propagation=tracecontext/platform=plain",
        "demo/no-context/entry=grpc/channel-in=secure/export=otlp-grpc/propagation=both/platform=plain",
    ];
    let mut plan = planned(&pick);
    assert_eq!(plan.permutations.len(), pick.len());
    // Every line that is added to the suite would move it; a test of its own says where a case stands.
    plan.permutations.iter_mut().for_each(|one| one.place.line = 1);
    let settings: String = plan.settings.iter().map(show_setting).collect();
    let permutations: Vec<String> =
        plan.permutations.iter().map(|permutation| format!("{permutation:#?}")).collect();
    insta::assert_snapshot!("picked", format!("{settings}\n{}", permutations.join("\n")));
}

fn show_setting(setting: &Setting) -> String {
    let mut text = format!("{}\n", setting.name);
    for service in &setting.services {
        let ServiceStart { name, start: Start { launch, ready, .. }, env, facts, .. } = service;
        text.push_str(&format!("  {name}: {launch:?}, ready by {ready:?}, {:?}\n", facts.propagation));
        for (name, value) in env {
            text.push_str(&format!("    {name}={value}\n"));
        }
    }
    text
}

#[test]
fn a_filter_selects_what_it_matches_and_all_below() {
    #[track_caller]
    fn check(filter: &[&str], expected: usize) {
        assert_eq!(planned(filter).permutations.len(), expected, "{filter:?}");
    }
    // On Cloud Run channels are secure, and one of the three propagations is excluded.
    check(&["demo/greet"], 54 + 12);
    check(&["demo/greet/**"], 54 + 12);
    check(&["demo/greet/entry=grpc"], 18 + 6);
    check(&["demo/greet-error/code=*/entry=http"], 16 * (36 + 6));
    check(&["demo/greet", "demo/stream"], 2 * (54 + 12));
    check(&["**/propagation=both/platform=plain"], planned(&["**/platform=plain"]).permutations.len() / 3);
    check(&["demo/nothing"], 0);
}

#[test]
fn planning_twice_gives_the_same() {
    assert_eq!(format!("{:?}", planned(&[])), format!("{:?}", planned(&[])));
}
