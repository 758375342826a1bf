//! Captures: files of JSON lines.

mod telemetry;

use spanwise_decode::{Line, LineError, read_line};
use spanwise_model::{DefectKind, Protocol};

/// One JSON text on one line.
fn flat(json: &str) -> String {
    json.replace('\n', " ")
}

#[track_caller]
fn read(number: usize, json: &str) -> Line {
    read_line(number, json.as_bytes()).expect("a line of a capture")
}

#[test]
fn a_line_is_an_export_request() {
    let of = |json: &str| {
        let line = read(1, json);
        (line.export.protocol, line.export.spans, line.spans.len(), line.export.project)
    };
    let demo = Some("demo".to_owned());
    assert_eq!(of(&flat(telemetry::OTLP_JSON)), (Protocol::OtlpHttpJson, 2, 2, None));
    assert_eq!(of(&flat(telemetry::CLOUD_TRACE_JSON)), (Protocol::CloudTraceRest, 2, 2, demo));
    assert_eq!(of("{}"), (Protocol::OtlpHttpJson, 0, 0, None));
}

#[test]
fn one_request_over_many_lines_is_read_too() {
    assert_eq!(read(1, telemetry::OTLP_JSON).spans, read(1, &flat(telemetry::OTLP_JSON)).spans);
}

#[test]
fn defects_name_their_line() {
    assert_eq!(read(2, "{\"spans\":5}").defects[0].place, "line 2 spans");
}

#[test]
fn other_signals_are_lines_without_spans() {
    for key in ["resourceMetrics", "resourceLogs", "resourceProfiles", "resource_metrics"] {
        let line = read(1, &format!("{{\"{key}\":[{{}}]}}"));
        assert_eq!((line.spans.len(), line.defects.len()), (0, 0), "{key}");
    }
}

#[test]
fn a_line_that_is_not_utf_8_is_a_defect() {
    let mut text = format!("{}\r", flat(telemetry::OTLP_JSON)).into_bytes();
    let name = text.windows(4).rposition(|window| window == b"jobs").expect("the last scope");
    text[name] = 0xff;
    let line = read_line(2, &text).expect("a line of a capture");
    assert_eq!(line.spans.len(), 1);
    let [defect] = &line.defects[..] else { panic!("{:?}", line.defects) };
    assert_eq!((defect.kind, defect.place.as_str()), (DefectKind::Payload, "line 2"));
    assert!(defect.detail.starts_with("is not UTF-8 from byte "), "{}", defect.detail);
}

#[track_caller]
fn check(number: usize, text: &str, line: usize, column: usize, reason: &str) {
    match read_line(number, text.as_bytes()) {
        Err(error) => {
            assert_eq!((error.line, error.column), (line, column), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        Ok(line) => panic!("read as {line:?}"),
    }
}

#[test]
fn what_is_no_capture_is_an_error_with_its_place() {
    check(2, "not JSON", 2, 2, "is not JSON");
    check(1, "{\"spans\":[}", 1, 11, "is not JSON");
    check(1, "{\n\"spans\":[}", 2, 10, "is not JSON");
    check(2, "{\"spans\":", 2, 9, "is not JSON");
    check(1, "42", 1, 2, "expected an object");
    check(1, "{\"logs\":[]}", 1, 1, "neither OTLP JSON");
    let error = LineError { line: 7, column: 3, reason: "is not JSON: x".to_owned() };
    assert_eq!(error.to_string(), "line 7, column 3: is not JSON: x");
}
