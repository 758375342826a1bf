//! Captures: files of JSON lines.

mod telemetry;

use spanwise_decode::{LineError, read_lines};
use spanwise_model::{DefectKind, Protocol};

/// One JSON text on one line.
fn flat(json: &str) -> String {
    json.replace('\n', " ")
}

#[test]
fn a_capture_is_read_line_by_line() {
    let text = format!("{}\n\n{}\n{{}}\n", flat(telemetry::OTLP_JSON), flat(telemetry::CLOUD_TRACE_JSON));
    let lines = read_lines(text.as_bytes()).expect("a capture");
    let of = |line: &spanwise_decode::Line| (line.number, line.export.protocol, line.export.spans);
    let expected =
        [(1, Protocol::OtlpHttpJson, 2), (3, Protocol::CloudTraceRest, 2), (4, Protocol::OtlpHttpJson, 0)];
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), expected);
    assert!(lines[1].spans.iter().all(|span| span.export == Some(1)));
    assert_eq!(lines[1].export.project.as_deref(), Some("demo"));
}

#[test]
fn one_request_over_many_lines_is_read_too() {
    let lines = read_lines(telemetry::OTLP_JSON.as_bytes()).expect("a capture");
    assert_eq!(lines.iter().map(|line| line.spans.len()).collect::<Vec<_>>(), [2]);
    assert_eq!(read_lines(b"\n \n"), Ok(Vec::new()));
}

#[test]
fn defects_name_their_line() {
    let lines = read_lines(b"{\"spans\":[]}\n{\"spans\":5}").expect("a capture");
    assert_eq!(lines[1].defects[0].place, "line 2 spans");
    assert_eq!(lines[1].defects[0].export, Some(1));
}

#[test]
fn other_signals_are_lines_without_spans() {
    for key in ["resourceMetrics", "resourceLogs", "resourceProfiles", "resource_metrics"] {
        let lines = read_lines(format!("{{\"{key}\":[{{}}]}}").as_bytes()).expect("a capture");
        assert_eq!((lines.len(), lines[0].spans.len(), lines[0].defects.len()), (1, 0, 0), "{key}");
    }
}

#[test]
fn a_line_that_is_not_utf_8_is_a_defect() {
    let mut text = [flat(telemetry::OTLP_JSON), flat(telemetry::OTLP_JSON)].join("\r\n").into_bytes();
    let name = text.windows(4).rposition(|window| window == b"jobs").expect("the last scope");
    text[name] = 0xff;
    let lines = read_lines(&text).expect("a capture");
    assert_eq!(lines.iter().map(|line| line.spans.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(lines[0].defects, []);
    let [defect] = &lines[1].defects[..] else { panic!("{:?}", lines[1].defects) };
    assert_eq!((defect.kind, defect.place.as_str()), (DefectKind::Payload, "line 2"));
    assert!(defect.detail.starts_with("is not UTF-8 from byte "), "{}", defect.detail);
}

#[track_caller]
fn check(text: &str, line: usize, column: usize, reason: &str) {
    match read_lines(text.as_bytes()) {
        Err(error) => {
            assert_eq!((error.line, error.column), (line, column), "{error}");
            assert!(error.reason.contains(reason), "{error}");
        }
        Ok(lines) => panic!("read as {lines:?}"),
    }
}

#[test]
fn what_is_no_capture_is_an_error_with_its_place() {
    check("{\"spans\":[]}\nnot JSON", 2, 2, "is not JSON");
    check("{\"spans\":[}", 1, 11, "is not JSON");
    check("{\"spans\":[]}\n{\"spans\":", 2, 9, "is not JSON");
    check("42", 1, 2, "expected an object");
    check("{\"logs\":[]}", 1, 1, "neither OTLP JSON");
    let error = LineError { line: 7, column: 3, reason: "is not JSON: x".to_owned() };
    assert_eq!(error.to_string(), "line 7, column 3: is not JSON: x");
}
