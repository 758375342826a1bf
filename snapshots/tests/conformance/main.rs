//! One trial for each permutation of the demo suite, under its full name.
//!
//! The selected permutations run once, through the run loop, before the trials look up their results: names, filters and
//! `--list` work as in any Rust test. A `#[test]` in this binary would never run; unit tests belong elsewhere.

mod group;
mod stale;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use spanwise::Options;
use spanwise::model::{Outcome, PermutationResult, RunEvent};
use spanwise::plan::{Planned, SuiteText, plan};

use group::Groups;

fn main() -> ExitCode {
    if let Some(code) = spanwise::demo::serve_if_asked() {
        return code;
    }
    let arguments = Arguments::from_args();
    let (file, text) = spanwise::demo::SUITE;
    let suite = SuiteText { file: file.to_owned(), text: text.to_owned() };
    let planned = match plan(&[suite], &[]) {
        Ok(planned) => planned,
        Err(error) => {
            eprintln!("the demo suite cannot be planned: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A failed comparison is told by its trial, with the difference; the panic inside insta would only repeat it.
    std::panic::set_hook(Box::new(|_| {}));
    conclude(libtest_mimic::run(&arguments, trials(&arguments, planned)))
}

/// `Conclusion::exit` would end the process before anything is dropped.
fn conclude(conclusion: Conclusion) -> ExitCode {
    if conclusion.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

fn trials(arguments: &Arguments, planned: Planned) -> Vec<Trial> {
    let all: Vec<String> = planned.plan.groups.iter().map(|group| group.name.clone()).collect();
    let stale = Trial::test("no-stale-snapshots", move || stale::check(&all));
    let names: Vec<String> =
        planned.plan.permutations.iter().map(|permutation| permutation.name.to_string()).collect();
    let results = match arguments.list {
        true => Arc::new(Groups::default()),
        false => Arc::new(Groups::of(observe(arguments, planned))),
    };
    let trial = |name: String| {
        let results = results.clone();
        Trial::test(name.clone(), move || results.verdict(&name))
    };
    names.into_iter().map(trial).chain([stale]).collect()
}

/// Runs what the arguments select.
fn observe(arguments: &Arguments, mut planned: Planned) -> Vec<PermutationResult> {
    planned.plan.retain(|one| selects(arguments, one.name.as_str()));
    if planned.plan.permutations.is_empty() {
        return Vec::new();
    }
    let order: HashMap<String, usize> = planned
        .plan
        .permutations
        .iter()
        .enumerate()
        .map(|(at, permutation)| (permutation.name.to_string(), at))
        .collect();
    let options = Options { suite_profiles: planned.profiles, ..Options::default() };
    let runtime = tokio::runtime::Runtime::new().expect("an async runtime");
    let mut results: Vec<PermutationResult> = Vec::new();
    let ran = runtime.block_on(spanwise::run(Arc::new(planned.plan), options, |event| {
        if let RunEvent::Finished(result) = event {
            results.push((**result).clone());
        }
    }));
    if let Err(error) = ran {
        eprintln!("the run could not begin: {error}");
    }
    results.sort_by_key(|result| order.get(&result.name).copied());
    results
}

/// As libtest selects: by a part of the name, or by all of it with `--exact`; `--skip` takes away.
fn selects(arguments: &Arguments, name: &str) -> bool {
    let is = |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(is) && !arguments.skip.iter().any(is)
}

/// What stands between a result and its comparison with a snapshot.
fn outcome(result: &PermutationResult) -> Result<(), Failed> {
    match result.outcome {
        Outcome::Passed | Outcome::FailedAsKnown => Ok(()),
        Outcome::CouldNotRun => {
            Err(format!("could not run: {}", result.reason.as_deref().unwrap_or("no reason given")).into())
        }
        Outcome::UnexpectedlyPassed => Err(result.reason.clone().unwrap_or_default().into()),
        Outcome::Failed => {
            let causes = result.findings.iter().filter(|finding| finding.consequence_of.is_none());
            let lines = causes.map(|finding| format!("{}: {}", finding.rule, finding.message));
            Err(lines.collect::<Vec<_>>().join("\n").into())
        }
    }
}
