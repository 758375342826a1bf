//! The report for CI servers: JUnit XML, as Jenkins, GitLab and GitHub actions read it. A test suite is a suite, a test case a
//! permutation.
//!
//! A failure has the words of the terminal. What could not run is an error, what failed as known is skipped with its reason:
//! neither is a pass. The format has no schema of its own; `quick-junit` writes what nextest does.

use std::io::{self, Write};
use std::time::Duration;

use indexmap::IndexMap;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use spanwise_model::{Outcome, PermutationResult, RunEvent};

use crate::Reporter;
use crate::causes::worst;
use crate::merged::suite;
use crate::page::{described, findings_described};
use crate::told::Told;

/// Writes JUnit XML at the end of the run.
#[derive(Debug)]
pub struct Junit<W> {
    out: W,
    told: Told,
}

impl<W: Write> Junit<W> {
    /// A reporter that writes to `out`.
    pub fn new(out: W) -> Junit<W> {
        Junit { out, told: Told::default() }
    }

    fn report(&mut self) -> Report {
        self.told.sort();
        let mut report = Report::new("spanwise");
        if let Some(millis) = self.told.duration_ms {
            report.set_time(Duration::from_millis(millis));
        }
        let mut suites: IndexMap<&str, TestSuite> = IndexMap::new();
        for result in &self.told.results {
            // In `check` a permutation is a trace, and there is no suite.
            let name = if result.name.contains('/') { suite(&result.name) } else { "captures" };
            let suite = suites.entry(name).or_insert_with(|| TestSuite::new(name));
            suite.add_test_case(case(result));
        }
        report.add_test_suites(suites.into_values());
        if self.told.duration_ms.is_none() {
            // Whoever reads only this must not take what did not run for what passed.
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_type("broken_off").set_message(BROKEN_OFF);
            let mut suite = TestSuite::new("the run");
            suite.add_test_case(TestCase::new("the run", status));
            report.add_test_suite(suite);
        }
        if !self.told.strays.is_empty() {
            let text = findings_described(&self.told.strays);
            let status = match self.told.strays_fail {
                true => non_success(NonSuccessKind::Failure, &self.told.strays[0].rule, STRAYS, &text),
                false => TestCaseStatus::success(),
            };
            let mut case = TestCase::new(STRAYS, status);
            case.set_system_out(text);
            let mut suite = TestSuite::new(STRAYS);
            suite.add_test_case(case);
            report.add_test_suite(suite);
        }
        report
    }
}

/// What is said of a run without an end.
const BROKEN_OFF: &str = "the run was broken off: what is not in this report did not run";
/// The name of the suite and case for findings that are of none.
const STRAYS: &str = "belongs to no permutation";

impl<W: Write> Reporter for Junit<W> {
    fn on_event(&mut self, event: &RunEvent) -> io::Result<()> {
        self.told.take(event);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        let report = self.report();
        report.serialize(&mut self.out).map_err(io::Error::other)?;
        self.out.flush()
    }
}

fn case(result: &PermutationResult) -> TestCase {
    let text = described(result);
    let reason = result.reason.as_deref().unwrap_or_default();
    let first_line = reason.lines().next().unwrap_or_default();
    let status = match result.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed => {
            let cause = worst(result).first().copied();
            let rule = cause.map_or("failed", |finding| &finding.rule);
            let message = cause.map_or("failed", |finding| &finding.message);
            non_success(NonSuccessKind::Failure, rule, message, &text)
        }
        Outcome::UnexpectedlyPassed => {
            non_success(NonSuccessKind::Failure, result.outcome.as_str(), first_line, &text)
        }
        Outcome::CouldNotRun => {
            non_success(NonSuccessKind::Error, result.outcome.as_str(), first_line, &text)
        }
        Outcome::FailedAsKnown => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("failed as known: {reason}"));
            status
        }
    };
    let mut case = TestCase::new(result.name.as_str(), status);
    if let Some((suite, rest)) = result.name.split_once('/') {
        case.set_classname(format!("{suite}.{}", rest.split('/').next().unwrap_or_default()));
    }
    case.set_time(Duration::from_millis(result.duration_ms));
    if let Some(place) = &result.place {
        case.extra.insert("file".into(), (&*place.file).into());
        case.extra.insert("line".into(), place.line.to_string().into());
    }
    // A failure has it all in its own text; warnings and known failures would be nowhere else.
    if matches!(result.outcome, Outcome::Passed | Outcome::FailedAsKnown) && !result.findings.is_empty() {
        case.set_system_out(text);
    }
    case
}

fn non_success(kind: NonSuccessKind, what: &str, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message).set_description(text);
    status
}
