//! The registry as a whole: names, files, pages, and which rule explains which.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use spanwise_check::{Profile, Rule, explain, registry};

#[test]
fn every_file_of_a_family_is_a_registered_rule_and_the_other_way_round() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
    let mut files = BTreeSet::new();
    for family in std::fs::read_dir(folder).expect("the folder of rules").flatten() {
        let Ok(entries) = std::fs::read_dir(family.path()) else { continue };
        for entry in entries.flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            if let Some(name) = file.strip_suffix(".rs").filter(|name| *name != "mod") {
                files.insert(format!("{}/{}", family.file_name().to_string_lossy(), name.replace('_', "-")));
            }
        }
    }
    let rules: BTreeSet<String> =
        registry::rules().map(|rule| format!("{}/{}", rule.family.as_str(), rule.name)).collect();
    assert_eq!(files, rules);
}

#[test]
fn names_are_in_kebab_case_and_occur_once() {
    let mut names = BTreeSet::new();
    for rule in registry::rules() {
        let words = rule.name.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()));
        assert!(words, "{} is not in kebab case", rule.name);
        assert!(names.insert(rule.name), "{} occurs twice", rule.name);
    }
}

#[test]
fn rules_explain_rules_that_exist_and_never_one_another() {
    let rules: HashMap<&str, &Rule> = registry::rules().map(|rule| (rule.name, rule)).collect();
    for rule in rules.values() {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = rule.explains.to_vec();
        while let Some(name) = next.pop() {
            assert_ne!(name, rule.name, "{name} explains itself, over {reached:?}");
            let explained =
                rules.get(name).unwrap_or_else(|| panic!("{} explains {name}, which is none", rule.name));
            if reached.insert(name) {
                next.extend(explained.explains);
            }
        }
    }
}

#[test]
fn pages_have_every_heading_and_a_line_for_every_language() {
    for rule in registry::rules() {
        let headings: Vec<&str> =
            rule.explanation.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, Rule::HEADINGS, "{}", rule.name);
        for heading in Rule::HEADINGS {
            let text = rule.section(heading).unwrap_or_default().trim();
            assert!(text.len() > 20, "{}: nothing under {heading}", rule.name);
        }
        let fix = rule.section("How to fix").unwrap_or_default();
        for language in ["Rust", "Python", "Go", "Node", "Java"] {
            assert!(fix.contains(language), "{}: no line for {language}", rule.name);
        }
        assert!(rule.profile < Profile::Strict, "{}: strict has no rules of its own", rule.name);
        assert!(explain(rule.name).is_some_and(|page| page.contains("### Bad") || page.contains("## Bad")));
    }
}
