//! Judges what was recorded. From the evidence of a lane on it goes the way of a run.

use spanwise_model::{RunEvent, Summary};

use super::{Attribution, Judge, Options, Run};
use crate::record::{Entry, Recording, ReplayError};

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Counts of outcomes.
    pub summary: Summary,
    /// Whether the recorded run ended by itself. Of one that was broken off, what it had seen is told.
    pub is_complete: bool,
    /// What is wrong with the recording's end, where the run was killed while it wrote: a lower-case fragment.
    pub cut: Option<String>,
}

/// Judges a recording and tells `on_event` what [`crate::run()`] told, without starting anything. With
/// [`Recording::options`] every result is the same to the byte; with others it is as if the run had had these.
///
/// # Errors
/// The recording is damaged, or a rule of the options has the name of another. Some results may have been told by then.
pub fn replay(
    recording: &Recording,
    options: Options,
    mut on_event: impl FnMut(&RunEvent),
) -> Result<Replayed, ReplayError> {
    let plan = recording.plan().clone();
    let judge = Judge::new(plan.clone(), options.clone())?;
    let mut run = Run {
        judge,
        plan,
        recorder: options.record,
        attribution: Attribution::default(),
        summary: Summary::default(),
        has_failed: false,
        on_event: &mut on_event,
    };
    run.begin(&recording.options());
    let (mut duration_ms, mut cut) = (None, None);
    for entry in recording.entries()? {
        match entry? {
            Entry::Event(event) => run.event(&event),
            Entry::Ended { duration_ms: whole } => duration_ms = Some(whole),
            Entry::Cut(what) => cut = Some(what),
            Entry::Lane(evidence) => {
                let report = super::report(run.recorder.as_ref(), &run.plan, &evidence);
                run.settle(report);
            }
        }
    }
    let (is_complete, summary) = (duration_ms.is_some(), run.end(duration_ms));
    Ok(Replayed { summary, is_complete, cut })
}
