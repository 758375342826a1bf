//! What happened to an instance and when, in an order that its stamps show.

use std::sync::{Mutex, MutexGuard, PoisonError};

use spanwise_model::{ProcessEvent, ProcessEventKind, Source};

use crate::clock::now;

/// The events of one instance so far.
#[derive(Debug)]
pub struct History {
    source: Source,
    events: Mutex<Vec<ProcessEvent>>,
}

impl History {
    /// Nothing has happened yet.
    pub fn new(source: Source) -> History {
        History { source, events: Mutex::default() }
    }

    /// What happened so far; every time stamp is later than the one before it.
    pub fn events(&self) -> Vec<ProcessEvent> {
        self.noted().clone()
    }

    /// The stamp of what happens just now: nanoseconds since the Unix epoch.
    pub fn now() -> u64 {
        now()
    }

    /// Notes what happens just now.
    pub fn happened(&self, kind: ProcessEventKind) {
        self.happened_at(now(), kind);
    }

    /// Notes what happened at a time, as [`History::now`] tells it. The rules read the order of events from their stamps, so a
    /// clock that stands still or goes back must not show.
    pub fn happened_at(&self, time: u64, kind: ProcessEventKind) {
        let mut noted = self.noted();
        let time = noted.last().map_or(time, |last| time.max(last.time + 1));
        noted.push(ProcessEvent { source: self.source.clone(), time, kind });
    }

    fn noted(&self) -> MutexGuard<'_, Vec<ProcessEvent>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
