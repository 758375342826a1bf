//! Spans that a service must have begun, by what the wire shows, and that never came although its process ended.
//!
//! A span that was never made looks the same from outside as one that was lost, so much is asked before a loss is taken for
//! one: the service makes such spans, and none of it came that ended later. The rules about shutdown and throttling ask.

use foldhash::HashSet;
use spanwise_model::{Export, ExportAnswer, ProcessEvent, Source, SpanId, SpanKind};

use crate::{Hop, Index};

/// What happened to a process, in order of time.
pub(crate) fn events<'i>(index: &'i Index<'_>, source: &Source) -> Vec<&'i ProcessEvent> {
    let mut events: Vec<_> =
        index.observation.process.iter().filter(|event| event.source == *source).collect();
    events.sort_by_key(|event| event.time);
    events
}

/// The instances of which something is known to have happened, in the order in which it began to.
pub(crate) fn processes<'i>(index: &'i Index<'_>) -> Vec<&'i Source> {
    let mut sources = Vec::new();
    for event in &index.observation.process {
        if !sources.contains(&&event.source) {
            sources.push(&event.source);
        }
    }
    sources
}

/// The exchanges of which an instance lost its own span, in order. Empty where nothing proves that it had made one, and where
/// its exports failed for a reason that is known.
pub(crate) fn lost<'i>(index: &'i Index<'i>, source: &Source) -> Vec<Hop<'i>> {
    let is_own = |other: &Option<Source>| other.as_ref() == Some(source);
    let refused = |export: &Export| matches!(export.answer, ExportAnswer::Refused(_));
    let observation = index.observation;
    let failed = observation.exports.iter().any(|export| is_own(&export.source) && refused(export));
    if failed || observation.defects.iter().any(|defect| is_own(&defect.source)) {
        return Vec::new();
    }
    let came = || index.nodes().filter(|node| is_own(&node.source));
    let flushes = observation.settings.service(&source.service).is_some_and(|facts| facts.flushes_on_sigterm);
    // Where nothing came at all, its exporter may be off; one that promises to flush has no such excuse.
    if came().next().is_none() && !flushes {
        return Vec::new();
    }
    // A batch holds spans in the order in which they ended: what ended before one that came was never in it.
    let last = came().map(|node| node.end).max().unwrap_or_default();
    let is_late = |hop: &Hop<'_>| hop.tap().stamps.ended > last && !hop.is_untraced();
    let received = received_by(index, source);
    let is_lost = |hop: &Hop<'_>| lost_caller(index, *hop, source, &received);
    let mut hops: Vec<Hop<'i>> = index.hops().filter(is_late).filter(is_lost).collect();
    let serves = came().any(|node| node.kind == SpanKind::Server) || (last == 0 && !hops.is_empty());
    if serves {
        hops.extend(index.hops().filter(is_late).filter(|hop| lost_server(index, *hop, source)));
    }
    hops.sort_by_key(|hop| hop.at());
    hops
}

/// Whether the instance sent a sampled context of its own in this call, and the span that it names never came.
fn lost_caller(index: &Index<'_>, hop: Hop<'_>, source: &Source, received: &HashSet<SpanId>) -> bool {
    let tap = hop.tap();
    let Some(context) = tap.context().filter(|context| context.sampled == Some(true)) else { return false };
    tap.from.as_ref() == Some(source)
        && index.find_in_any_trace(context.span_id).is_none()
        && !received.contains(&context.span_id)
}

/// The spans that callers named to an instance: where it passes one on, that is not its own.
fn received_by(index: &Index<'_>, source: &Source) -> HashSet<SpanId> {
    let inbound = index.hops().filter(|hop| hop.tap().to == *source);
    let contexts = inbound.flat_map(|hop| [hop.tap().context(), hop.tap().announced]).flatten();
    contexts.map(|context| context.span_id).collect()
}

/// Whether the instance answered this sampled call, and has no SERVER span for it.
fn lost_server(index: &Index<'_>, hop: Hop<'_>, source: &Source) -> bool {
    let sampled = hop.context().is_some_and(|context| context.sampled == Some(true));
    hop.tap().to == *source
        && sampled
        && hop.is_answered_by_service()
        && hop.server().or(hop.unlinked()).is_none()
        && index.sets_kinds(hop.to())
}
