//! Times of everything but spans, laid out to fit those of the spans.

use super::forest::Forest;
use super::hop::Hops;
use super::times::{Relation, START, TICK};
use crate::{Observation, Stamps};

/// Gives wire taps, log lines, export requests and process events times that fit those of the spans.
pub(super) fn lay_out(observation: &mut Observation, relations: &[Relation], _forest: &Forest, end: u64) {
    let hops = Hops::of(observation);
    let mut wire = std::mem::take(&mut observation.wire);
    for (number, tap) in wire.iter_mut().enumerate() {
        let (server, client) = hops.ends(tap);
        let inside = server.or(client);
        let (begun, ended) = match (inside, server) {
            (Some(at), Some(_)) => {
                (observation.spans[at].start - TICK / 4, observation.spans[at].end + TICK / 4)
            }
            (Some(at), None) => {
                (observation.spans[at].start + TICK / 4, observation.spans[at].end - TICK / 4)
            }
            (None, _) => (START + number as u64, START + TICK / 2 + number as u64),
        };
        let frames = tap.stamps.data_frames;
        let early = [server, client].into_iter().flatten().any(|at| relations[at].ends_before_stream);
        let last_but_one = match inside {
            Some(at) if early => observation.spans[at].end + TICK / 8,
            Some(at) => observation.spans[at].end - TICK / 8,
            None => ended - TICK / 8,
        };
        tap.stamps = Stamps {
            begun,
            answered: if tap.status.is_some() { begun + TICK / 8 } else { 0 },
            data_frames: frames,
            last_but_one_data: if frames >= 2 { last_but_one } else { 0 },
            ended: if tap.end == crate::End::Open { 0 } else { ended },
        };
    }
    observation.wire = wire;
    for (number, record) in observation.logs.iter_mut().enumerate() {
        record.time = START + TICK + TICK / 2 + number as u64;
    }
    for (number, export) in observation.exports.iter_mut().enumerate() {
        export.time = end + TICK + number as u64;
    }
    for (number, event) in observation.process.iter_mut().enumerate() {
        event.time = match event.kind {
            crate::ProcessEventKind::Spawned | crate::ProcessEventKind::Ready => {
                START - 1000 * TICK + number as u64
            }
            _ => end + 1000 * TICK + number as u64,
        };
    }
}

/// Marks the spans that ended before the last data frame but one of their exchange.
pub(super) fn streams(observation: &Observation, relations: &mut [Relation]) {
    if observation.wire.is_empty() {
        return;
    }
    let hops = Hops::of(observation);
    for tap in observation.wire.iter().filter(|tap| tap.stamps.data_frames >= 2) {
        let (server, client) = hops.ends(tap);
        for at in [server, client].into_iter().flatten() {
            let span = &observation.spans[at];
            if span.end != 0 && span.end >= span.start && span.end < tap.stamps.last_but_one_data {
                relations[at].ends_before_stream = true;
            }
        }
    }
}
