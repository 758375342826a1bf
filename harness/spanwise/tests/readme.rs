//! The suite that README.md shows can be read and planned, its known failures too.

use spanwise::plan::{SuiteText, plan};

const README: &str = include_str!("../../../README.md");

#[test]
fn the_example_of_the_readme_is_a_suite() {
    let blocks: Vec<&str> = (README.split("```yaml\n").skip(1))
        .map(|rest| rest.split("```").next().expect("a block ends"))
        .collect();
    let [suite, known_failing] = blocks[..] else { panic!("{} YAML blocks in README.md", blocks.len()) };
    let text = SuiteText { file: "README.md".to_owned(), text: format!("{suite}{known_failing}") };
    let planned = plan(&[text], &[]).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<&str> = planned.plan.permutations.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert_eq!(planned.plan.groups.len(), 1, "all of them must agree");
    assert!(planned.plan.permutations.iter().all(|one| one.known.len() == 1), "{names:?}");
}
