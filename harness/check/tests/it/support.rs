//! Runs the engine over texts in the trace notation, and shows findings as text.

use std::fmt::Write;

use spanwise_check::{Checked, Engine, Member, Profile};
use spanwise_model::{Finding, Observation, notation};

/// What the strictest profile says of every permutation of a text; several are compared as a group.
#[track_caller]
pub(crate) fn check(text: &str) -> Vec<(Observation, Checked)> {
    let observations = notation::parse_all(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    check_all(observations)
}

/// What the strictest profile says of observations; several are compared as a group.
pub(crate) fn check_all(observations: Vec<Observation>) -> Vec<(Observation, Checked)> {
    let engine = Engine::new(Profile::Strict);
    let mut checked: Vec<Checked> = observations.iter().map(|one| engine.check(one)).collect();
    let axes: Vec<Vec<(String, String)>> = observations.iter().map(axes).collect();
    let trees: Vec<String> = observations.iter().map(trees).collect();
    let sides = observations.iter().zip(&axes).zip(&trees).zip(&mut checked);
    let mut members: Vec<Member<'_>> = sides
        .map(|(((observation, axes), trees), checked)| Member {
            name: &observation.name,
            axes,
            observation,
            trees,
            checked,
        })
        .collect();
    engine.compare(&mut members);
    observations.into_iter().zip(checked).collect()
}

/// Axes as the name has them: `suite/case/axis=value/…`.
fn axes(observation: &Observation) -> Vec<(String, String)> {
    let parts = observation.name.split('/').filter_map(|part| part.split_once('='));
    parts.map(|(axis, value)| (axis.to_owned(), value.to_owned())).collect()
}

/// The trees alone, in the form in which the run loop compares them.
fn trees(observation: &Observation) -> String {
    let text = notation::print(&spanwise_normalize::agreeing(observation));
    text.lines().take_while(|line| !line.ends_with(':')).fold(String::new(), |all, line| all + line + "\n")
}

/// Findings as a person reads them, root causes first, what they explain below them.
pub(crate) fn show(checked: &Checked) -> String {
    let mut text = String::new();
    for (at, finding) in checked.findings.iter().enumerate() {
        if finding.consequence_of.is_some() {
            continue;
        }
        show_finding(&mut text, finding);
        for consequence in checked.findings.iter().filter(|other| other.consequence_of == Some(at)) {
            let _ = writeln!(text, "  explains {}: {}", consequence.rule, consequence.message);
        }
    }
    text
}

fn show_finding(text: &mut String, finding: &Finding) {
    let Finding { rule, level, service, span_path, message, .. } = finding;
    let _ = writeln!(text, "{} {rule} of {}", level.as_str(), service.as_deref().unwrap_or("all"));
    if !span_path.is_empty() {
        let _ = writeln!(text, "  at {}", span_path.join(" > "));
    }
    let _ = writeln!(text, "  {message}");
    for (name, value) in [("expected", &finding.expected), ("actual", &finding.actual)] {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    if let Some(hop) = &finding.hop {
        let _ = writeln!(text, "  hop: {} -> {} {}", hop.from, hop.to, hop.transport);
        for header in &hop.headers {
            let _ = writeln!(text, "    {}: {}", header.name, header.value);
        }
    }
    for (name, value) in &finding.facts {
        let _ = writeln!(text, "  fact {name}: {value}");
    }
}
