//! Every rule's page holds a bad and a good observation; all rules run over both.

use spanwise_check::{Check, Rule, registry};

use crate::support::{check, show};

#[track_caller]
fn example(rule: &Rule, heading: &str) -> &'static str {
    rule.example(heading).unwrap_or_else(|| panic!("{} has no example under {heading}", rule.name))
}

#[test]
fn a_bad_example_has_its_own_rule_as_the_one_root_cause() {
    let mut wrong = Vec::new();
    for rule in registry::rules() {
        let checked = check(example(rule, "Bad"));
        let roots: Vec<String> = checked
            .iter()
            .flat_map(|(_, checked)| checked.root_causes())
            .map(|f| f.rule.to_string())
            .collect();
        if roots != [rule.name] {
            let shown: String = checked.iter().map(|(_, checked)| show(checked)).collect();
            wrong.push(format!("{}: root causes {roots:?}\n{shown}", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_good_example_has_no_finding_at_all() {
    let mut wrong = Vec::new();
    for rule in registry::rules() {
        let shown: String = check(example(rule, "Good")).iter().map(|(_, checked)| show(checked)).collect();
        if !shown.is_empty() {
            wrong.push(format!("{}:\n{shown}", rule.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_rule_looks_at_its_good_example() {
    let silent = |rule: &&Rule| {
        let verdict = |checked: &spanwise_check::Checked| {
            checked.verdicts.get(rule.name) == Some(spanwise_model::Verdict::Pass)
        };
        !check(example(rule, "Good")).iter().any(|(_, checked)| verdict(checked))
    };
    let silent: Vec<_> = registry::rules().filter(silent).map(|rule| rule.name).collect();
    assert!(silent.is_empty(), "not passed but not looked: {silent:?}");
}

#[test]
fn examples_compare_permutations_where_the_rule_does() {
    for rule in registry::rules() {
        let members = check(example(rule, "Bad")).len();
        assert_eq!(members > 1, matches!(rule.check, Check::Group(_)), "{}", rule.name);
    }
}

#[test]
fn findings_read_well() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for rule in registry::rules() {
            let shown: String =
                check(example(rule, "Bad")).iter().map(|(_, checked)| show(checked)).collect();
            insta::assert_snapshot!(rule.name, shown);
        }
    });
}
