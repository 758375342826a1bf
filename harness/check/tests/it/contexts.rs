//! What a service makes of the context headers it receives: the table of header vectors, each with a right and wrong
//! reading.

use crate::support::{check, show};

/// The root causes of a request with these headers, when the service's span is this one.
#[track_caller]
fn roots(headers: &str, span: &str, expected: &[&str]) {
    let text = format!(
        "driver CLIENT \"POST /greet\" 200 id=S1\n{span}\nwire:\n  driver -> api-service http/1.1 {headers}\n\
         settings:\n  sampling=parent-based\n  service api-service http propagation=gcp_trace,tracecontext\n"
    );
    let [(_, checked)] = check(&text).try_into().expect("one observation");
    let found: Vec<_> = checked.root_causes().map(|finding| &*finding.rule).collect();
    assert_eq!(found, expected, "{text}\n{}", show(&checked));
}

const LINKED: &str = "  api-service SERVER \"POST /greet\" 200";
const NEW: &str = "api-service SERVER \"POST /greet\" 200 trace=T2";
const LOST: &str = "api-service SERVER \"POST /greet\" 200 parent=?P1";
const PARENTLESS: &str = "api-service SERVER \"POST /greet\" 200";

#[test]
fn a_right_header_is_followed() {
    for header in [
        "x-cloud-trace-context: T1/S1;o=1",
        "x-cloud-trace-context: \"{T1:X}/{S1:d};o=1\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=3\"",
        "traceparent: T1-S1-01",
        "traceparent: \"01-{T1}-{S1}-01-more\"",
    ] {
        roots(header, LINKED, &[]);
        roots(header, NEW, &["remote-context-ignored"]);
        roots(header, LOST, &["context-misread"]);
        roots(header, PARENTLESS, &["context-misread"]);
    }
}

#[test]
fn a_malformed_header_is_ignored() {
    for header in [
        "x-cloud-trace-context: \"{T1}\"",
        "x-cloud-trace-context: \"{T1}/;o=1\"",
        "x-cloud-trace-context: \"{T1}/0;o=1\"",
        "x-cloud-trace-context: \"{T1}/00;o=1\"",
        "x-cloud-trace-context: \"{T1}/18446744073709551616;o=1\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=x\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=1;foo\"",
        "x-cloud-trace-context: \" {T1}/{S1:d};o=1\"",
        "traceparent: \"ff-{T1}-{S1}-01\"",
        "traceparent: \"00-{T1:X}-{S1}-01\"",
        "traceparent: \"00-{T1}-{S1}-01-more\"",
    ] {
        roots(header, NEW, &[]);
        roots(header, LOST, &["context-misread"]);
    }
}

#[test]
fn bit_0_of_the_option_decides() {
    for header in [
        "x-cloud-trace-context: \"{T1}/{S1:d}\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=2\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=10\"",
        "x-cloud-trace-context: \"{T1}/{S1:d};o=256\"",
    ] {
        roots(header, LINKED, &["context-misread"]);
    }
}

#[test]
fn of_two_headers_a_valid_traceparent_wins() {
    let both = "traceparent: T1-S1-01 x-cloud-trace-context: T2/P1;o=1";
    roots(both, LINKED, &[]);
    roots(both, "api-service SERVER \"POST /greet\" 200 trace=T2 parent=?P1", &["context-from-wrong-header"]);
    roots(both, "api-service SERVER \"POST /greet\" 200 trace=T3", &["remote-context-ignored"]);
    let same_trace = "traceparent: T1-S1-01 x-cloud-trace-context: T1/P1;o=1";
    roots(same_trace, LINKED, &[]);
    roots(same_trace, LOST, &["context-from-wrong-header"]);
}

#[test]
fn a_malformed_traceparent_does_not_wipe_the_other_header() {
    for broken in ["00-{T2}-zz", "ff-{T2}-{P1}-01", "00-{T2}-0000000000000000-01"] {
        let headers = format!("traceparent: \"{broken}\" x-cloud-trace-context: T1/S1;o=1");
        roots(&headers, LINKED, &[]);
        roots(&headers, "api-service SERVER \"POST /greet\" 200 trace=T3", &["context-from-wrong-header"]);
    }
}
