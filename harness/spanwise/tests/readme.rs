//! The suites that README.md shows can be read and planned, known failures too.

use spanwise::plan::{SuiteText, plan};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_examples_of_the_readme_are_suites() {
    let blocks: Vec<&str> = (README.split("```yaml\n").skip(1))
        .map(|rest| rest.split("```").next().expect("a block ends"))
        .collect();
    let [suite, cases, running, varying, known_failing, containers] = blocks[..] else {
        panic!("{} YAML blocks in README.md", blocks.len())
    };
    let planned = |text: String| {
        let text = SuiteText { file: "README.md".to_owned(), text };
        plan(&[text], &[]).unwrap_or_else(|error| panic!("{error}"))
    };
    for services in [running, containers] {
        let page = "cases: { page: { http: { to: web, get: / } } }";
        let planned = planned(format!("suite: page\n{services}{page}\n"));
        assert_eq!(planned.plan.permutations.len(), 1);
    }
    let (services, _) = suite.split_once("cases:\n").expect("the suite has cases");
    let planned_cases = planned(format!("{services}{cases}"));
    assert_eq!(planned_cases.plan.permutations.len(), 2 * 8, "a sequence, and a command");
    let planned = planned(format!("{suite}{varying}{known_failing}"));
    let names: Vec<&str> = planned.plan.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(planned.plan.groups.len(), 1, "all of them must agree");
    assert!(planned.plan.permutations.iter().all(|one| one.known.len() == 1), "{names:?}");
}
