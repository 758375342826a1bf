//! One trial for each permutation of the demo suite and of the Python pair, under its full name, and one for what the rules
//! say of each case.
//!
//! The selected permutations run once, through the run loop, before the trials look up their results: names, filters and
//! `--list` work as in any Rust test. A `#[test]` in this binary would never run; unit tests stand in the library.

mod python;

use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use spanwise::Options;
use spanwise::model::{PermutationResult, RunEvent};
use spanwise::plan::{Planned, PlanningError, SuiteText, plan};
use spanwise_snapshots::{Groups, Verdicts, case_of, folder, no_stale};

/// The trial of what `spanwise init` writes.
const FIRST_SUITE: &str = "polyglot-first-suite";

fn main() -> ExitCode {
    if let Some(code) = spanwise::demo::serve_if_asked() {
        return code;
    }
    let arguments = Arguments::from_args();
    let suites = match suites() {
        Ok(suites) => suites,
        Err(error) => {
            eprintln!("a suite cannot be planned: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A failed comparison is told by its trial, with the difference; the panic inside insta would only repeat it.
    std::panic::set_hook(Box::new(|_| {}));
    conclude(libtest_mimic::run(&arguments, trials(&arguments, suites)))
}

/// `Conclusion::exit` would end the process before anything is dropped.
fn conclude(conclusion: Conclusion) -> ExitCode {
    if conclusion.has_failed() { ExitCode::from(101) } else { ExitCode::SUCCESS }
}

/// What is planned of a suite, and why it cannot run here, if it cannot.
struct Planning {
    planned: Planned,
    missing: Option<String>,
}

fn suites() -> Result<[Planning; 2], PlanningError> {
    let (file, text) = spanwise::demo::SUITE;
    let demo = SuiteText { file: file.to_owned(), text: text.to_owned() };
    Ok([
        Planning { planned: plan(&[demo], &[])?, missing: None },
        Planning { planned: plan(&[python::suite()], &[])?, missing: python::missing() },
    ])
}

fn trials(arguments: &Arguments, suites: [Planning; 2]) -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut compared = Vec::new();
    trials.push(match &suites[1].missing {
        Some(missing) => python::without(FIRST_SUITE.to_owned(), missing),
        None => Trial::test(FIRST_SUITE, python::first_suite),
    });
    for Planning { planned, missing } in suites {
        let permutations = &planned.plan.permutations;
        let names: Vec<String> =
            permutations.iter().map(|permutation| permutation.name.to_string()).collect();
        let cases: BTreeSet<String> = names.iter().map(|name| case_of(name).to_owned()).collect();
        compared.extend(planned.plan.groups.iter().map(|group| group.name.clone()));
        compared.extend(cases.iter().map(|case| Verdicts::name(case)));
        if let Some(missing) = missing {
            let verdicts = cases.iter().map(|case| Verdicts::name(case));
            trials.extend(names.into_iter().chain(verdicts).map(|name| python::without(name, &missing)));
            continue;
        }
        // One suite after the other: what starts slowly would take the processor from what has deadlines.
        let results = if arguments.list { Vec::new() } else { observe(arguments, planned) };
        let groups = Arc::new(Groups::of(folder(), &results));
        let verdicts = Arc::new(Verdicts::of(folder(), &results));
        let permutation = |name: String| {
            let groups = groups.clone();
            trial(name.clone(), move || groups.verdict(&name))
        };
        let case = |case: String| {
            let verdicts = verdicts.clone();
            trial(Verdicts::name(&case), move || verdicts.verdict(&case))
        };
        trials.extend(names.into_iter().map(permutation));
        trials.extend(cases.into_iter().map(case));
    }
    trials.push(trial("no-stale-snapshots".to_owned(), move || no_stale(folder(), &compared)));
    trials
}

fn trial(name: String, verdict: impl FnOnce() -> Result<(), String> + Send + 'static) -> Trial {
    Trial::test(name, move || verdict().map_err(Failed::from))
}

/// Runs what the arguments select; where they select the verdicts of a case, all of the case.
fn observe(arguments: &Arguments, mut planned: Planned) -> Vec<PermutationResult> {
    planned.plan.retain(|one| {
        let name = one.name.as_str();
        selects(arguments, name) || selects(arguments, &Verdicts::name(case_of(name)))
    });
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
