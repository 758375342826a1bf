//! Rules of the family `logs`, a line a case.

use crate::verdicts::check;

/// A request that the service served, and what it wrote meanwhile.
fn served(lines: &str) -> String {
    format!(
        r#"driver CLIENT "POST /greet" 200 id=S1 marker="ada"
  api SERVER "POST /greet" 200 id=S2
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
logs:
{lines}
settings:
  project="demo"
"#
    )
}

/// One line of the service that is JSON.
fn line(fields: &str) -> String {
    served(&format!("  api: {{{fields}}}"))
}

const TRACE: &str = r#""logging.googleapis.com/trace":"projects/demo/traces/{T1}""#;

#[test]
fn a_line_of_a_request_names_its_trace() {
    let rule = "log-without-trace";
    check(rule, &line(TRACE), "pass");
    check(rule, &line(r#""message":"greeted""#), "fail: warning api");
    check(rule, &line(r#""logging.googleapis.com/trace":"""#), "fail: warning api");
    check(rule, &line(r#""logging.googleapis.com/trace":null"#), "fail: warning api");
    check(rule, &served(&"  api: {\"message\":\"greeted\"}\n".repeat(5)), "fail: warning api");
    // Text is another rule's, and a service that writes nothing else is not observed.
    check(rule, &served("  api: greeted"), "not-observed");
    check(rule, &served(""), "not-applicable");
    // A service that served nothing meanwhile wrote for nobody that is known.
    check(rule, &served("  worker: {\"message\":\"tick\"}"), "not-applicable");
    check(rule, &served("  worker: {\"message\":\"for ada\"}"), "not-applicable");
    let untraced = line(r#""message":"x""#) + "  service api http untraced=\"/greet\"\n";
    check(rule, &untraced, "not-applicable");
}

#[test]
fn a_line_belongs_to_the_request_whose_marker_is_in_it() {
    let text = |lines: &str| {
        format!(
            r#"driver CLIENT "POST /greet" 200 id=S1 marker="ada-1"
  api SERVER "POST /greet" 200 id=S2
driver CLIENT "POST /greet" 200 trace=T2 id=S3 marker="ada-12" during=S2
  api SERVER "POST /greet" 200
wire:
  driver -> api http/1.1 traceparent: T1-S1-01
  driver -> api http/1.1 traceparent: T2-S3-01
logs:
{lines}"#
        )
    };
    let rule = "log-without-trace";
    check(rule, &text("  api: {\"user\":\"ada-1\"}\n"), "fail: warning api");
    check(rule, &text("  api: {\"user\":\"ada-12\"}\n"), "fail: warning api");
}

#[test]
fn a_request_without_any_trace_has_none_to_name() {
    let text = |driver: &str, header: &str| {
        format!(
            "driver CLIENT \"POST /greet\" 200 {driver} id=S1 to=api\nwire:\n  driver -> api http/1.1 \"POST /greet\" 200 {header}\nlogs:\n  api: {{\"message\":\"x\"}}\n"
        )
    };
    check("log-without-trace", &text("no-context", ""), "not-applicable");
    // One that is not sampled keeps its trace id.
    check("log-without-trace", &text("unsampled", "traceparent: T1-S1-00"), "fail: warning api");
}

#[test]
fn lines_outside_of_requests_belong_to_nobody() {
    let text = line(r#""severity":"nonsense""#);
    let mut observation = spanwise_model::notation::parse(&text).expect("the notation");
    let verdict = |observation: &spanwise_model::Observation| {
        let checked = spanwise_check::Engine::new(spanwise_check::Profile::Strict).check(observation);
        checked.verdicts["log-severity-invalid"].as_str()
    };
    assert_eq!(verdict(&observation), "fail");
    observation.logs[0].time = observation.spans[0].start - 1;
    assert_eq!(verdict(&observation), "not-applicable");
    observation.logs[0].time = observation.spans[0].end + spanwise_model::Stamps::LAG + 1;
    assert_eq!(verdict(&observation), "not-applicable");
}

#[test]
fn a_line_that_names_its_trace_is_looked_at_whenever_it_was_read() {
    let mut observation = spanwise_model::notation::parse(&line(TRACE)).expect("the notation");
    let verdict = |observation: &spanwise_model::Observation| {
        let checked = spanwise_check::Engine::new(spanwise_check::Profile::Strict).check(observation);
        checked.verdicts["log-without-trace"].as_str()
    };
    observation.logs[0].time = observation.spans[0].end + 200_000_000;
    assert_eq!(verdict(&observation), "pass");
    observation.logs[0].line = r#"{"message":"greeted"}"#.to_owned();
    assert_eq!(verdict(&observation), "not-applicable");
}

#[test]
fn ids_are_texts_of_one_form() {
    let rule = "log-trace-malformed";
    let trace = |value: &str| line(&format!("\"logging.googleapis.com/trace\":{value}"));
    check(rule, &trace("\"{T1}\""), "pass");
    check(rule, &trace("\"projects/p/traces/{T1}\""), "pass");
    for wrong in [
        "\"{T1:X}\"",
        "\"projects/p/{T1}\"",
        "\"projects//traces/{T1}\"",
        "\"projects/a/b/traces/{T1}\"",
        "\"traces/{T1}\"",
        "\"{T1}/{S2:d};o=1\"",
        "\"00000000000000000000000000000000\"",
        "\"46093cf9\"",
        "5",
        "{}",
    ] {
        check(rule, &trace(wrong), "fail: violation api");
    }
    check(rule, &trace("\"\""), "not-applicable");
    let span = |value: &str| line(&format!("\"logging.googleapis.com/spanId\":{value}"));
    check(rule, &span("\"{S2}\""), "pass");
    check(rule, &span("\"000000000000004a\""), "pass");
    for wrong in ["\"{S2:d}\"", "\"{S2:X}\"", "74", "\"4a\"", "\"0000000000000000\""] {
        check(rule, &span(wrong), "fail: violation api");
    }
    // Two kinds of mistake are two findings, two lines of one kind are one.
    let both = r#"{"logging.googleapis.com/trace":"x","logging.googleapis.com/spanId":"y"}"#;
    let twice = format!("  api: {both}\n  api: {both}");
    check(rule, &served(&twice), "fail: violation api, violation api");
}

#[test]
fn the_project_is_compared_where_it_is_named_and_known() {
    let rule = "log-project-wrong";
    let trace = |value: &str| line(&format!("\"logging.googleapis.com/trace\":\"{value}\""));
    check(rule, &trace("projects/demo/traces/{T1}"), "pass");
    check(rule, &trace("projects/other/traces/{T1}"), "fail: warning api");
    check(rule, &trace("{T1}"), "not-applicable");
    let unknown = trace("projects/other/traces/{T1}").replace("project=\"demo\"", "timed");
    check(rule, &unknown, "not-observed");
}

#[test]
fn a_span_of_a_line_came_or_was_on_the_wire() {
    let rule = "log-span-unknown";
    let span = |value: &str| line(&format!("{TRACE},\"logging.googleapis.com/spanId\":\"{value}\""));
    check(rule, &span("{S2}"), "pass");
    check(rule, &span("{P5}"), "fail: violation api");
    // The caller's span, as a header named it, is what loggers without a tracer know.
    check(rule, &span("{S1}"), "pass");
    check(rule, &span("zero"), "not-applicable");
    // Where a span of the service is missing, the line may name that one.
    let lost = r#"driver CLIENT "POST /greet" 200 id=S1
  api CLIENT "b.B/Greet" OK id=S2
    b SERVER "b.B/Greet" OK
wire:
  driver -> api http/1.1 "POST /greet" 200 traceparent: T1-S1-01
  api -> b h2c traceparent: T1-S2-01
logs:
  api: {"logging.googleapis.com/trace":"{T1}","logging.googleapis.com/spanId":"{P5}"}
"#;
    check(rule, lost, "not-observed");
    // Of a request that was not sampled no span comes.
    let unsampled = r#"driver CLIENT "POST /greet" 200 unsampled id=S1 to=api
wire:
  driver -> api http/1.1 "POST /greet" 200 traceparent: T1-S1-00
logs:
  api: {"logging.googleapis.com/trace":"{T1}","logging.googleapis.com/spanId":"{P5}"}
"#;
    check(rule, unsampled, "not-applicable");
}

#[test]
fn the_sampled_bit_is_the_real_one() {
    let rule = "log-sampled-wrong";
    let sampled = |value: &str| line(&format!("{TRACE},\"logging.googleapis.com/trace_sampled\":{value}"));
    check(rule, &sampled("true"), "pass");
    check(rule, &sampled("\"true\""), "pass");
    check(rule, &sampled("false"), "fail: violation api");
    check(rule, &sampled("null"), "not-applicable");
    check(rule, &sampled("7"), "not-applicable");
    check(rule, &line("\"logging.googleapis.com/trace_sampled\":true"), "not-applicable");
    let unsampled = |value: &str, flag: &str| {
        format!(
            "driver CLIENT \"POST /greet\" 200 context=T1/S1;o={flag} id=S1 to=api\nwire:\n  driver -> api http/1.1 \"POST /greet\" 200 traceparent: T1-S1-0{flag}\nlogs:\n  api: {{{TRACE},\"logging.googleapis.com/trace_sampled\":{value}}}\n"
        )
    };
    check(rule, &unsampled("false", "0"), "pass");
    check(rule, &unsampled("true", "0"), "fail: violation api");
    // Sampled, and nothing came: what is wrong there is not the line.
    check(rule, &unsampled("true", "1"), "not-applicable");
    check(rule, &unsampled("false", "1"), "not-applicable");
}

#[test]
fn severities_are_names_of_log_severity_or_its_numbers() {
    let rule = "log-severity-invalid";
    let severity = |value: &str| line(&format!("\"severity\":{value}"));
    for right in ["\"INFO\"", "\"warning\"", "\"Default\"", "\"EMERGENCY\"", "0", "400", "\"500\"", "800"] {
        check(rule, &severity(right), "pass");
    }
    for wrong in ["\"WARN\"", "\"TRACE\"", "\"FATAL\"", "30", "900", "-100", "true", "{}"] {
        check(rule, &severity(wrong), "fail: warning api");
    }
    check(rule, &line("\"level\":\"WARN\""), "not-applicable");
    let two = served(
        "  api: {\"severity\":\"WARN\"}\n  api: {\"severity\":\"TRACE\"}\n  api: {\"severity\":\"WARN\"}",
    );
    check(rule, &two, "fail: warning api, warning api");
}

#[test]
fn every_line_is_one_object() {
    let rule = "log-not-structured";
    check(rule, &line(TRACE), "pass");
    check(rule, &served("  api: []"), "fail: warning api");
    check(rule, &served("  api: 5"), "fail: warning api");
    check(rule, &served("  api: {}{}"), "fail: warning api");
    let trace = "  api stderr: Traceback (most recent call last):\n  api stderr: \"  File x, line 5\"\n  api stderr: ValueError";
    check(rule, &served(trace), "fail: warning api");
    check(rule, &served("  api: x\n  b: y"), "fail: warning api, warning b");
    check(rule, &served("  api: \"  \""), "not-applicable");
    // A line that was cut, or whose secret was replaced, may have been an object.
    check(rule, &served("  api: {\"message\":\"very long"), "pass");
    check(rule, &served("  api: {\"token\":<secret sha256:5f0c1a2b>}"), "pass");
    check(rule, "driver CLIENT \"POST /greet\" 200\n  api SERVER \"POST /greet\" 200\n", "not-observed");
}
