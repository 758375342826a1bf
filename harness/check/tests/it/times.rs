//! Rules of the family `time`, a line a case.

use crate::verdicts::{causes, check};

#[test]
fn a_span_ends_after_it_starts() {
    let rule = "ends-before-start";
    check(rule, "api INTERNAL \"x\" time=reversed\n", "fail: violation api");
    check(rule, "api INTERNAL \"x\" time=no-end\n", "not-applicable");
    check(rule, "api INTERNAL \"x\"\n", "pass");
}

#[test]
fn children_start_inside_their_parents() {
    let text = |child: &str| format!("api SERVER \"GET /\" 200\n  {child}\n");
    let rule = "child-outside-parent";
    check(rule, &text("api INTERNAL \"x\""), "pass");
    check(rule, &text("api INTERNAL \"x\" starts-before-parent"), "fail: warning api");
    check(rule, &text("api INTERNAL \"x\" ends-after-parent"), "fail: information api");
    check(rule, &text("other INTERNAL \"x\" starts-before-parent"), "not-applicable");
    check(rule, &text("api#2 INTERNAL \"x\" starts-before-parent"), "not-applicable");
    check(rule, &text("api SERVER \"GET /own\" 200 starts-before-parent"), "not-applicable");
    check(rule, &text("api INTERNAL \"x\" time=reversed"), "not-applicable");
    let twice = text("api INTERNAL \"x\" ends-after-parent\n  api INTERNAL \"x\" ends-after-parent");
    check(rule, &twice, "fail: information api");
}

#[test]
fn requests_that_were_given_up_end_in_any_order() {
    let text = |end: &str| {
        format!(
            "driver CLIENT \"GET /\" 200 id=S1\n  api SERVER \"GET /\" 200\n    api INTERNAL \"x\" ends-after-parent\nwire:\n  driver -> api http/1.1 {end} traceparent: T1-S1-01\n"
        )
    };
    check("child-outside-parent", &text(""), "fail: information api");
    check("child-outside-parent", &text("canceled"), "pass");
}

#[test]
fn times_are_those_of_the_run() {
    let text = |time: &str, settings: &str| format!("api INTERNAL \"x\" {time}\n{settings}");
    let rule = "time-implausible";
    let timed = "settings:\n  timed\n";
    for time in ["time=zero", "time=no-start", "time=no-end", "time=outside-run"] {
        check(rule, &text(time, timed), "fail: violation api");
    }
    check(rule, &text("", timed), "pass");
    check(rule, &text("", ""), "pass");
    check(rule, &text("time=zero", ""), "fail: violation api");
}

#[test]
fn a_wrong_clock_explains_what_lies_outside() {
    let text = "api SERVER \"GET /\" 200\n  api INTERNAL \"x\" time=outside-run\nsettings:\n  timed\n";
    causes(text, &["time-implausible (child-outside-parent)"]);
}
