//! Did every span get out?

mod batch_too_large;
mod export_refused;
mod export_unauthenticated;
mod malformed_telemetry;
mod nothing_received;
mod retried_permanent_error;
mod span_exported_twice;
mod span_lost_on_retryable_error;
mod span_lost_on_shutdown;
mod span_lost_when_throttled;
mod stray_span;
mod wrong_project;

use foldhash::{HashMap, HashSet};
use spanwise_model::{Export, ExportAnswer, Platform, Source, SpanId, TraceId};

use crate::{Findings, Hop, Index, Report, Rule};

pub(crate) static ALL: &[&Rule] = &[
    &nothing_received::RULE,
    &malformed_telemetry::RULE,
    &stray_span::RULE,
    &span_lost_on_shutdown::RULE,
    &span_lost_when_throttled::RULE,
    &span_lost_on_retryable_error::RULE,
    &retried_permanent_error::RULE,
    &span_exported_twice::RULE,
    &export_unauthenticated::RULE,
    &wrong_project::RULE,
    &export_refused::RULE,
    &batch_too_large::RULE,
];

/// Which spans refused requests carried, and which came after all.
struct Carried {
    times: HashMap<(TraceId, SpanId), usize>,
    came: HashSet<(TraceId, SpanId)>,
}

impl Carried {
    fn of(index: &Index<'_>) -> Carried {
        let exports = &index.observation.exports;
        let mut times = HashMap::default();
        for span in exports.iter().flat_map(|export| &export.carries) {
            *times.entry(*span).or_default() += 1;
        }
        let is_refused = |export: &Export| matches!(export.answer, ExportAnswer::Refused(_));
        let refused = |at: Option<usize>| at.and_then(|at| exports.get(at)).is_some_and(is_refused);
        let came = index.nodes().filter(|node| !refused(node.export));
        Carried { times, came: came.map(|node| (node.trace_id, node.span_id)).collect() }
    }

    /// In how many refused requests a span was.
    fn times(&self, span: &(TraceId, SpanId)) -> usize {
        self.times.get(span).copied().unwrap_or_default()
    }

    /// Whether a span came in a request that was accepted.
    fn has_come(&self, span: &(TraceId, SpanId)) -> bool {
        self.came.contains(span)
    }
}

/// Spans that are lost are missing on both sides of every call of their service; of all calls, where it is not known.
fn reach_calls_of(index: &Index<'_>, service: Option<&str>, mut report: Report<'_>) {
    let touches = |from: Option<&str>, to: &str| service.is_none() || from == service || Some(to) == service;
    for hop in index.hops().filter(|hop| touches(hop.from(), hop.to())) {
        report = report.reaches_hop(hop);
    }
}

/// Reports the exchanges of which an instance lost its spans; `when` continues "lost 2 spans".
fn report_lost(findings: &mut Findings<'_>, source: &Source, lost: Vec<Hop<'_>>, when: &str, expected: &str) {
    if lost.is_empty() {
        return;
    }
    let service = &*source.service;
    let mut report = findings
        .on_service(service, format!("{service} lost {} {when}.", spans(lost.len())))
        .expected(expected)
        .actual(format!("{} missing", spans(lost.len())))
        .fact("spans", lost.len() as i64);
    for hop in lost {
        report = report.reaches_hop(hop);
    }
}

/// Whether an export request goes to Google, or to what stands for it.
fn goes_to_google(index: &Index<'_>, export: &Export) -> bool {
    export.google || index.observation.settings.platform == Platform::CloudRun
}

/// A number of spans, in words.
fn spans(count: usize) -> String {
    if count == 1 { "1 span".to_owned() } else { format!("{count} spans") }
}
