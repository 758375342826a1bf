//! Large and misshapen forests: no rule and no fold takes more than near linear time, and nothing recurses.
//!
//! Nothing is timed. The sizes are such that comparing each span with each takes minutes, that of the siblings hours, and every
//! check runs on a small stack.

use std::sync::{Arc, LazyLock};

use spanwise_check::{Engine, Profile};
use spanwise_model::{
    Evidence, Observation, Resource, Source, Span, SpanId, SpanKind, Status, StatusCode, TraceId, Value,
};

/// A stack that recursion over spans would not fit on.
const STACK: usize = 512 * 1024;

/// How often each rule found something in spans, checked on a small stack.
fn found(spans: Vec<Span>) -> impl Fn(&str) -> usize {
    let checking = move || {
        let recorded = vec![Evidence::Spans, Evidence::Resource, Evidence::Exports];
        let checked =
            Engine::new(Profile::Strict).check(&Observation { spans, recorded, ..Observation::default() });
        let roots = checked.findings.iter().filter_map(|finding| finding.consequence_of);
        assert!(roots.clone().all(|root| checked.findings[root].consequence_of.is_none()));
        checked.findings
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(checking).expect("a thread");
    let findings = thread.join().expect("no panic");
    move |rule| findings.iter().filter(|finding| finding.rule == rule).count()
}

/// What spans have in common, made once: a million of each takes longer than all rules do.
static COMMON: LazyLock<Span> =
    LazyLock::new(|| Span { source: Some(Source::new("a", 1)), ..Span::default() });

/// A span that breaks no rule by itself.
fn span(trace: u64, id: u64, parent: Option<u64>) -> Span {
    Span {
        trace_id: TraceId(u128::from(trace).to_be_bytes()),
        span_id: SpanId::from_u64(id),
        parent_span_id: parent.map(SpanId::from_u64),
        kind: SpanKind::Internal,
        name: "work".to_owned(),
        start: 1_767_225_600_000_000_000 + id,
        end: 1_767_225_600_000_000_000 + id,
        ..COMMON.clone()
    }
}

#[test]
fn a_parent_may_have_very_many_children() {
    let children = (2..=1_000_001).map(|id| span(1, id, Some(1)));
    let found = found(std::iter::once(span(1, 1, None)).chain(children).collect());
    assert_eq!((found("parent-not-exported"), found("several-roots")), (0, 0));
}

#[test]
fn a_chain_may_be_ten_thousand_deep_with_findings_on_every_level() {
    // Each span has what is wrong with all those above it.
    let deep = (1..=10_000).map(|id| Span {
        kind: if id % 2 == 0 { SpanKind::Client } else { SpanKind::Server },
        name: format!("GET /{id}"),
        status: Status { code: StatusCode::Ok, message: "fine".to_owned(), ..Status::default() },
        ..span(1, id, (id > 1).then(|| id - 1))
    });
    let found = found(deep.collect());
    assert_eq!(found("parent-cycle"), 0);
    assert_eq!(found("status-description-on-ok"), 10_000);
}

#[test]
fn spans_of_one_id_may_be_many() {
    let copies = (0..50_000).map(|at| Span { start: at + 1, end: at + 2, ..span(1, 1, Some(1)) });
    assert!(found(copies.collect())("duplicate-span-id") > 0);
}

#[test]
fn cycles_may_be_long_and_many() {
    let long = (0..30_000).map(|id| span(1, id + 1, Some((id + 1) % 30_000 + 1)));
    let pairs = (0..30_000).map(|id| span(2, id + 1, Some((id ^ 1) + 1)));
    let found = found(long.chain(pairs).collect());
    assert_eq!(found("parent-cycle"), 1 + 15_000);
}

#[test]
fn parents_that_never_came_may_be_many() {
    let orphans = (1..=60_000).map(|id| span(1, id, Some(id + 1_000_000)));
    assert_eq!(
        found(std::iter::once(span(1, 500_000, None)).chain(orphans).collect())("parent-not-exported"),
        60_000
    );
}

#[test]
fn everything_may_be_wrong_in_every_trace() {
    // An orphan with a cycle below nothing, a copy, a root too many, a parent of the trace before, no time and no kind.
    let traces = 4_000_u64;
    let spans = (1..=traces).flat_map(|trace| {
        let own = |place: u64| trace * 16 + place;
        [
            span(trace, own(1), Some(own(15))),
            span(trace, own(2), Some(own(3))),
            span(trace, own(3), Some(own(2))),
            Span { name: "other".to_owned(), ..span(trace, own(3), None) },
            span(trace, own(4), None),
            span(trace, own(5), None),
            span(trace, own(6), Some((trace - 1) * 16 + 4)),
            Span { start: 0, kind: SpanKind::Unspecified, ..span(trace, own(7), Some(own(4))) },
            Span {
                kind: SpanKind::Client,
                attributes: vec![
                    ("http.method".to_owned(), Value::Int(5)),
                    ("http.metod".to_owned(), "GET".into()),
                ],
                resource: Arc::new(Resource::default()),
                ..span(trace, own(8), Some(own(4)))
            },
        ]
    });
    let found = found(spans.collect());
    let traces = traces as usize;
    for rule in ["parent-cycle", "duplicate-span-id", "several-roots", "kind-missing"] {
        assert!(found(rule) >= traces, "{rule}: {}", found(rule));
    }
    assert_eq!(found("parent-in-other-trace"), traces - 1);
}
