//! Rules as Markdown: one page for `explain`, and the page of all rules that is kept in the repository.

use std::fmt::Write;

use crate::{Check, Rule, registry};

/// The manual page of a rule, by its name.
pub fn explain(name: &str) -> Option<String> {
    registry::find(name).map(|rule| page(rule, "#"))
}

/// All rules as one Markdown document.
pub fn rules_page() -> String {
    let mut text = String::from(
        "# Rules\n\nGenerated from the rules themselves. `spanwise explain RULE` prints one.\n\n| rule | level | what it checks |\n|---|---|---|\n",
    );
    for rule in registry::rules() {
        let summary = rule.summary().replace('\n', " ");
        let _ = writeln!(text, "| [{0}](#{0}) | {1} | {summary} |", rule.name, rule.level.as_str());
    }
    let mut family = None;
    for rule in registry::rules() {
        if family != Some(rule.family) {
            let _ = write!(text, "\n## {}: {}\n", rule.family.as_str(), rule.family.question());
            family = Some(rule.family);
        }
        let _ = write!(text, "\n{}", page(rule, "###"));
    }
    text
}

/// One rule under a heading of the given depth.
fn page(rule: &Rule, depth: &str) -> String {
    let mut text = format!("{depth} {}\n\n", rule.name);
    let evidence: Vec<String> =
        rule.evidence.iter().map(|evidence| format!("{evidence:?}").to_lowercase()).collect();
    let differential = matches!(rule.check, Check::Group(_));
    let _ = writeln!(
        text,
        "Family {}; highest level: {}; profile {}; since {}; needs {}{}.",
        rule.family.as_str(),
        rule.level.as_str(),
        rule.profile.as_str(),
        rule.since,
        if evidence.is_empty() { "nothing but the answer".to_owned() } else { evidence.join(", ") },
        if differential { "; compares permutations" } else { "" },
    );
    if !rule.explains.is_empty() {
        let _ = writeln!(text, "Explains: {}.", rule.explains.join(", "));
    }
    let body = rule.explanation.trim().replace("\n## ", &format!("\n{depth}# "));
    let body = body.strip_prefix("## ").map_or(body.clone(), |rest| format!("{depth}# {rest}"));
    let _ = writeln!(text, "\n{body}");
    text
}
