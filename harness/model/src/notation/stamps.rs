//! Times of everything but spans: laid out to fit those of the spans, and compared with them.

use super::hop::Hops;
use super::layout::{START, STEP, TICK};
use super::times::Relation;
use crate::{End, Observation, ProcessEventKind, Span, Stamps, WireTap};

/// Gives wire taps, log lines, export requests and process events times that fit those of the spans, which end at `clock`.
///
/// Log lines fall into the first exchange of their service, else into the first request; services started before everything and ended after it.
pub(super) fn lay_out(observation: &mut Observation, relations: &[Relation], clock: u64) {
    let hops = Hops::of(observation);
    let mut wire = std::mem::take(&mut observation.wire);
    let mut unseen = START - TICK;
    for tap in &mut wire {
        let (server, client) = hops.ends(tap);
        let spans = &mut observation.spans;
        let last_but_one = last_but_one(tap, &[server, client], spans, relations);
        let begun = match (server, client) {
            (Some(server), _) => spans[server].start - TICK / 4,
            (None, Some(client)) => spans[client].start + TICK / 4,
            (None, None) => unseen,
        };
        let ended = match (server, client) {
            (Some(server), _) => spans[server].end + TICK / 4,
            (None, Some(client)) => spans[client].end - TICK / 4,
            (None, None) => unseen + TICK / 2,
        };
        tap.stamps = Stamps {
            begun,
            answered: if tap.status.is_some() { begun + TICK / 8 } else { 0 },
            data_frames: tap.stamps.data_frames,
            last_but_one_data: last_but_one,
            ended: if tap.end == End::Open { 0 } else { ended.max(last_but_one + STEP) },
        };
        // What no span tells the time of begins right after the exchange above it.
        unseen = begun + STEP;
    }
    observation.wire = wire;
    for (number, record) in observation.logs.iter_mut().enumerate() {
        let served = observation.wire.iter().find(|tap| tap.to == record.source);
        let begun = served.map_or(START + TICK + TICK / 2, |tap| tap.stamps.begun + STEP);
        record.time = begun + number as u64;
    }
    for (number, export) in observation.exports.iter_mut().enumerate() {
        export.time = clock + TICK + number as u64;
    }
    for (number, event) in observation.process.iter_mut().enumerate() {
        event.time = match event.kind {
            ProcessEventKind::Spawned | ProcessEventKind::Ready | ProcessEventKind::Listening { .. } => {
                START - 1000 * TICK + number as u64
            }
            _ => clock + 1000 * TICK + number as u64,
        };
    }
}

/// When the last data frame but one passed: after those ends of the hop that ended too early, before the others; these are
/// moved where they must be.
fn last_but_one(tap: &WireTap, ends: &[Option<usize>; 2], spans: &mut [Span], relations: &[Relation]) -> u64 {
    if tap.stamps.data_frames < 2 {
        return 0;
    }
    let plain = |at: &usize| relations[*at].is_plain();
    let ends: Vec<usize> = ends.iter().copied().flatten().filter(plain).collect();
    let early = ends.iter().filter(|at| relations[**at].ends_before_stream).map(|at| spans[*at].end).max();
    let orderly = ends.iter().filter(|at| !relations[**at].ends_before_stream);
    match early {
        Some(early) => {
            for at in orderly {
                spans[*at].end = spans[*at].end.max(early + STEP);
            }
            early + Stamps::LAG + STEP
        }
        None => orderly.map(|at| spans[*at].end).min().map_or(START, |end| end - STEP / 2),
    }
}

/// Marks the spans that ended well before the last data frame but one of their exchange ([`Stamps::streamed_after`]).
pub(super) fn streams(observation: &Observation, relations: &mut [Relation]) {
    if observation.wire.iter().all(|tap| tap.stamps.data_frames < 2) {
        return;
    }
    let hops = Hops::of(observation);
    for tap in observation.wire.iter().filter(|tap| tap.stamps.data_frames >= 2) {
        let (server, client) = hops.ends(tap);
        for at in [server, client].into_iter().flatten() {
            let ended_early = tap.stamps.streamed_after(observation.spans[at].end);
            relations[at].ends_before_stream |= relations[at].is_plain() && ended_early;
        }
    }
}
