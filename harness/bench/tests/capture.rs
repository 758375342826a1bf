//! The capture that checks are measured with.

use spanwise_bench::capture::{SPANS, requests};
use spanwise_check::{Engine, Profile};
use spanwise_decode::read_line;
use spanwise_model::{Evidence, Observation};

#[test]
fn a_capture_of_the_demo_pair_has_whole_traces_without_findings() {
    let read = |request: String| read_line(1, request.as_bytes()).expect("a line of a capture");
    let lines = requests(7..9).map(read);
    let exports = lines.iter().map(|line| line.export.clone()).collect();
    assert!(lines.iter().all(|line| line.defects.is_empty()), "{lines:#?}");
    let spans: Vec<_> = lines.into_iter().flat_map(|line| line.spans).collect();
    assert_eq!(spans.len() as u64, 2 * SPANS);
    let roots = spans.iter().filter(|span| span.parent_span_id.is_none());
    assert_eq!(roots.map(|root| &*root.name).collect::<Vec<_>>(), ["POST /greet"; 2]);
    let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
    let capture = Observation { spans, exports, recorded, ..Observation::default() };
    let checked = Engine::new(Profile::Strict).check(&capture);
    assert!(checked.findings.is_empty(), "{:#?}", checked.findings);
}
