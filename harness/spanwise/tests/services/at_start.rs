//! Services that start before those that they call.

use std::process::Command;

use spanwise::model::{PermutationResult, RunEvent, Verdict};

use crate::caller::{BEGUN, CALLER, CALLS, CALLS_ITSELF, ENDS, STARTS};
use crate::{could_not_run, ran};

/// Runs a service whose callee does what `late` says once that has begun. Gives back the one result, how often the service was started
/// (without a context its permutation runs alone, so in one lane), and what was told.
fn ran_early(how: &str, late: &str) -> (PermutationResult, usize, Vec<RunEvent>) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Command::new("mkfifo").arg(folder.path().join(BEGUN)).status().expect("mkfifo is there");
    assert!(made.success());
    let program = std::env::current_exe().expect("this program");
    let text = format!(
        "suite: small\nservices:\n  \
         early: {{ folder: ., command: [{program:?}, {CALLER}, \"{{{{port}}}}\", \"{{{{late.url}}}}\", {how}], \
         protocol: http, flushes-on-sigterm: true }}\n  \
         late: {{ folder: ., command: [sh, -c, 'if [ -p {BEGUN} ]; then read line < {BEGUN}; fi; {late}', sh, {program:?}, {CALLER}, \
         \"{{{{port}}}}\", \"{{{{bank.url}}}}\"], protocol: http, flushes-on-sigterm: true }}\n\
         stubs:\n  bank:\n    - {{ path: \"/*\" }}\n\
         axes: {{ entry: [http] }}\n\
         cases:\n  page:\n    context: none\n    services: {{ early: {{ env: {{ OWN_URL: \"{{{{early.url}}}}\" }} }} }}\n    \
         http: {{ to: early, get: /page }}\n    expect: {{ http: 200 }}\n",
    );
    let (results, events) = ran(folder.path(), &text);
    let starts = std::fs::read_to_string(folder.path().join(STARTS)).expect("what was started");
    let [result] = <[PermutationResult; 1]>::try_from(results).expect("one result");
    (result, starts.lines().count(), events)
}

/// Compares how often a service is started whose callee serves only later; what it is asked then is answered.
#[track_caller]
fn check(how: &str, expected: usize) {
    let (result, starts, events) = ran_early(how, "exec \"$@\"");
    assert_eq!(result.rules.get("unexpected-response"), Some(&Verdict::Pass), "{result:#?}");
    assert_eq!(starts, expected);
    // What does not count is not told.
    let ready = events.iter().filter(|event| matches!(event, RunEvent::ServiceReady { .. })).count();
    let failed = events.iter().filter(|event| matches!(event, RunEvent::ServiceFailed { .. })).count();
    assert_eq!((ready, failed), (3, 0), "{events:?}");
}

pub(crate) fn services_start_side_by_side() {
    check("waits", 1);
}

pub(crate) fn a_call_that_comes_too_early_does_not_count() {
    check(CALLS, 2);
}

pub(crate) fn a_failure_that_comes_too_early_does_not_count() {
    check(ENDS, 2);
}

pub(crate) fn who_calls_itself_starts_once() {
    check(CALLS_ITSELF, 1);
}

pub(crate) fn what_calls_what_does_not_start_starts_once() {
    let (result, starts, events) = ran_early(CALLS, "exit 3");
    could_not_run(&result, &["late exited with code 3 before it was ready"]);
    assert_eq!(starts, 1);
    let failed = events.iter().filter(|event| matches!(event, RunEvent::ServiceFailed { .. })).count();
    assert_eq!(failed, 1, "{events:?}");
}
