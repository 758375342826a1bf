//! Captures in parts: what a part holds, and that results do not depend on where the parts are cut.

use spanwise_check::{Engine, Profile};
use spanwise_model::{PermutationResult, RunEvent};

use super::{CaptureFile, check_in_parts};

/// A line of one span by its trace, its id and that of its parent, both one digit.
fn span(service: &str, trace: u8, id: u8, parent: Option<u8>) -> String {
    let parent = parent.map(|id| format!(r#""parentSpanId":"{id:016}","#)).unwrap_or_default();
    let span = format!(
        r#"{{"traceId":"{trace:032}","spanId":"{id:016}",{parent}"name":"work","kind":1,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712660000000001"}}"#
    );
    format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"{service}"}}}}]}},"scopeSpans":[{{"spans":[{span}]}}]}}]}}"#
    )
}

/// The results by name, and how many findings belong to none.
fn results(texts: &[String], spans: usize) -> (Vec<PermutationResult>, usize) {
    let held =
        |(at, text): (usize, &String)| CaptureFile::held(format!("{at}.jsonl"), text.clone().into_bytes());
    let mut files: Vec<CaptureFile> = texts.iter().enumerate().map(held).collect();
    let (mut results, mut expected, mut strays) = (Vec::new(), 0, 0);
    let told =
        check_in_parts(&mut files, Engine::new(Profile::Otel), Profile::Otel, spans, |event| match event {
            RunEvent::Started { permutations, .. } => expected = *permutations,
            RunEvent::Finished(result) => results.push((**result).clone()),
            RunEvent::Ended { strays: found, .. } => strays = found.len(),
            _ => {}
        });
    told.expect("a capture");
    assert_eq!(results.len(), expected);
    results.sort_by(|one, other| one.name.cmp(&other.name));
    (results, strays)
}

#[test]
fn results_do_not_depend_on_where_parts_are_cut() {
    // Each service has a file of its own, the traces come in another order in each, and the third has lost its root.
    let api = [span("api", 1, 1, None), span("api", 2, 1, None), span("api", 3, 2, Some(9))];
    let metrics = r#"{"resourceMetrics":[]}"#.to_owned();
    let backend = [
        metrics.clone(),
        span("backend", 3, 3, Some(2)),
        span("backend", 2, 2, Some(1)),
        span("backend", 1, 2, Some(1)),
    ];
    let texts = [api.join("\n"), format!("\u{feff}{}\n\n", backend.join("\n")), metrics];
    let (whole, strays) = results(&texts, 100);
    let counts: Vec<_> =
        whole.iter().map(|one| one.traces.iter().map(|trace| trace.spans).sum::<usize>()).collect();
    assert_eq!((counts, strays), (vec![2, 2, 2, 0], 0));
    assert!(whole[2].findings.iter().any(|finding| finding.rule == "parent-not-exported"), "{:#?}", whole[2]);
    for spans in [1, 2, 3, 4] {
        assert_eq!(results(&texts, spans), (whole.clone(), strays), "in parts of {spans} spans");
    }
}

#[test]
fn one_request_over_many_lines_is_a_capture() {
    let text = span("api", 1, 1, None).replace('{', "\n{");
    let (results, _) = results(&[format!("\n{text}\n")], 100);
    assert_eq!(results.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), [format!("{:032}", 1)]);
}
