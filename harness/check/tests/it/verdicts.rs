//! What one rule says of a text in the trace notation, in a word: for tables of cases.

use std::collections::BTreeSet;
use std::fmt::Write;

use spanwise_check::{Engine, Profile, registry};
use spanwise_model::notation;

/// The verdict of a rule, and the level and service of each of its findings, explained ones among them:
/// `pass`, `fail: violation api-service, warning backend-service`.
#[track_caller]
pub(crate) fn check(rule: &str, text: &str, expected: &str) {
    assert!(registry::find(rule).is_some(), "there is no rule {rule}");
    let observation = notation::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let checked = Engine::new(Profile::Strict).check(&observation);
    let mut said = checked.verdicts[rule].as_str().to_owned();
    let findings = checked.findings.iter().filter(|finding| finding.rule == rule);
    for (at, finding) in findings.enumerate() {
        let service = finding.service.as_deref().unwrap_or("all");
        let _ = write!(said, "{} {} {service}", if at == 0 { ":" } else { "," }, finding.level.as_str());
    }
    assert_eq!(said, expected, "{rule} says of\n{text}\n{:#?}", checked.findings);
}

/// The rules of the root causes in a text, and behind each what it explains, by name: `a (b, c)`.
#[track_caller]
pub(crate) fn causes(text: &str, expected: &[&str]) {
    let checked = Engine::new(Profile::Strict).check(&notation::parse(text).expect("a text in the notation"));
    let explained = |cause: usize| {
        let findings = checked.findings.iter().filter(move |finding| finding.consequence_of == Some(cause));
        let rules: BTreeSet<&str> = findings.map(|finding| &*finding.rule).collect();
        rules.into_iter().collect::<Vec<_>>().join(", ")
    };
    let roots = checked.findings.iter().enumerate().filter(|(_, finding)| finding.consequence_of.is_none());
    let said: Vec<String> =
        roots.map(|(at, finding)| format!("{} ({})", finding.rule, explained(at))).collect();
    assert_eq!(said, expected, "{text}\n{:#?}", checked.findings);
}
