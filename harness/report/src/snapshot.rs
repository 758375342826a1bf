//! The text that the conformance snapshot of a group holds. Used by the snapshot tests.
//!
//! All members of a group must have the same text, so it holds what does not depend on channel, exporter and
//! propagation: trees, and of findings what they are and where. Wire details, expected and actual values are in the
//! reports of the run.

use std::collections::BTreeMap;
use std::fmt::Write;

use spanwise_model::{Finding, PermutationResult, Value};

use crate::findings::{root_causes, span_path};

/// The text of one permutation: the tree of each distinct trace, then the findings.
pub fn snapshot(result: &PermutationResult) -> String {
    let mut text = String::new();
    let mut trees = distinct(result.traces.iter().map(|trace| trace.tree.as_str()));
    // The driver's own trace stays first; the others came in whatever order they came.
    if let Some((_, others)) = trees.split_first_mut() {
        others.sort_unstable();
    }
    for (tree, count) in trees {
        if count > 1 {
            let _ = writeln!(text, "{count} traces alike:");
        }
        let _ = writeln!(text, "{}", tree.trim_end());
    }
    if result.traces.is_empty() {
        text.push_str("no trace\n");
    }
    if !result.findings.is_empty() {
        text.push_str("findings:\n");
    }
    for cause in root_causes(&result.findings) {
        let _ = writeln!(text, "  {}", line(cause.finding));
        for finding in cause.explains {
            let _ = writeln!(text, "    explains {}", line(finding));
        }
    }
    text
}

/// Distinct texts with how often each occurs, in order of first occurrence.
pub(crate) fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<(&'t str, usize)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut distinct: Vec<(&str, usize)> = Vec::new();
    for text in texts {
        let place = *places.entry(text).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => distinct.push((text, 1)),
        }
    }
    distinct
}

fn line(finding: &Finding) -> String {
    let place = match (&finding.span_path[..], &finding.service) {
        ([], None) => String::new(),
        ([], Some(service)) => format!(": {service}"),
        (names, _) => format!(": {}", span_path(names)),
    };
    // Ten labels with old names are ten findings, which differ in nothing else.
    let label = finding.facts.get("label").and_then(Value::as_str).map(|label| format!(" {label}"));
    format!("{} {}{}{place}", finding.level.as_str(), finding.rule, label.unwrap_or_default())
}
