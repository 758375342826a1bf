//! All exchanges that the fronts of a run saw, findable by trace, and news of them for whoever waits.
//!
//! The fronts write, the run loop reads. An exchange stands here from the moment it began, with `End::Open`, so that
//! what is waited for can be known before it has happened.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use spanwise_model::{ContextFormat, End, TraceId, WireTap};
use tokio::sync::watch;

/// The taps of a run; shared by all its fronts as an `Arc`.
#[derive(Debug, Default)]
pub struct TapLog {
    taps: Mutex<Taps>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Taps {
    all: Vec<WireTap>,
    of_trace: HashMap<TraceId, OfTrace>,
    without_context: Vec<usize>,
    open: usize,
}

/// The exchanges of one trace, as indexes, and who waits for news of it.
#[derive(Debug, Default)]
struct OfTrace {
    taps: Vec<usize>,
    version: watch::Sender<u64>,
}

impl TapLog {
    /// An empty log.
    pub fn new() -> TapLog {
        TapLog::default()
    }

    /// The log that these exchanges were taken from, in their order: one that is over, or is read back from a recording.
    pub fn of(taps: impl IntoIterator<Item = WireTap>) -> TapLog {
        let log = TapLog::new();
        for tap in taps {
            log.record(tap);
        }
        log
    }

    /// Every exchange so far, in the order they began.
    pub fn all(&self) -> Vec<WireTap> {
        self.lock().all.clone()
    }

    /// The exchanges behind the first `cursor` ones, in the order they began.
    pub fn since(&self, cursor: usize) -> Vec<WireTap> {
        self.lock().all.get(cursor..).unwrap_or_default().to_vec()
    }

    /// The exchanges whose request named a trace in `traceparent` or `x-cloud-trace-context`, or was announced in it to the
    /// service, in the order they began. A header that names it in another way than its format allows counts too.
    pub fn taps_of_trace(&self, trace: TraceId) -> Vec<WireTap> {
        let taps = self.lock();
        let indexes = taps.of_trace.get(&trace).map(|of_trace| of_trace.taps.as_slice()).unwrap_or_default();
        indexes.iter().map(|&at| taps.all[at].clone()).collect()
    }

    /// The exchanges of several traces, as [`TapLog::taps_of_trace`] has them: each once, in the order they began.
    pub fn taps_of_traces(&self, traces: &[TraceId]) -> Vec<WireTap> {
        let taps = self.lock();
        let of_traces = traces.iter().filter_map(|trace| taps.of_trace.get(trace));
        let mut indexes: Vec<usize> = of_traces.flat_map(|of_trace| &of_trace.taps).copied().collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes.into_iter().map(|at| taps.all[at].clone()).collect()
    }

    /// Every trace that one of the exchanges named.
    pub fn traces(&self) -> Vec<TraceId> {
        let taps = self.lock();
        // Somebody may wait for news of a trace that none has named yet.
        let is_named = |(_, of_trace): &(&TraceId, &OfTrace)| !of_trace.taps.is_empty();
        taps.of_trace.iter().filter(is_named).map(|(trace, _)| *trace).collect()
    }

    /// The exchanges whose request named no trace at all, in the order they began.
    pub fn taps_without_context(&self) -> Vec<WireTap> {
        let taps = self.lock();
        taps.without_context.iter().map(|&at| taps.all[at].clone()).collect()
    }

    /// How many exchanges began.
    pub fn len(&self) -> usize {
        self.lock().all.len()
    }

    /// Whether no exchange began yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many exchanges began and did not end yet.
    pub fn open(&self) -> usize {
        self.lock().open
    }

    /// News of any exchange: the number grows whenever one begins, is answered or ends.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// News of the exchanges of one trace alone, which is what waits without waking for everybody else's.
    pub fn subscribe_trace(&self, trace: TraceId) -> watch::Receiver<u64> {
        self.lock().of_trace.entry(trace).or_default().version.subscribe()
    }

    /// Records an exchange, begun (`End::Open`) or already over; its index is what [`TapLog::update`] takes.
    pub(crate) fn record(&self, tap: WireTap) -> usize {
        let mut taps = self.lock();
        let at = taps.all.len();
        let traces = traces_named(&tap);
        taps.open += usize::from(tap.end == End::Open);
        taps.all.push(tap);
        if traces.is_empty() {
            taps.without_context.push(at);
        }
        for &trace in &traces {
            taps.of_trace.entry(trace).or_default().taps.push(at);
        }
        self.tell(taps, &traces);
        at
    }

    /// Changes what is recorded of an exchange, and gives back what it then is.
    pub(crate) fn update<T>(&self, at: usize, change: impl FnOnce(&mut WireTap) -> T) -> T {
        let mut taps = self.lock();
        let tap = &mut taps.all[at];
        let was_open = tap.end == End::Open;
        let given = change(tap);
        let ended = was_open && tap.end != End::Open;
        let (traces, announced) = (traces_named(tap), tap.announced);
        taps.open -= usize::from(ended);
        if let Some(announced) = announced {
            let of_trace = &mut taps.of_trace.entry(announced.trace_id).or_default().taps;
            if let Err(place) = of_trace.binary_search(&at) {
                of_trace.insert(place, at);
            }
        }
        self.tell(taps, &traces);
        given
    }

    fn tell(&self, taps: MutexGuard<'_, Taps>, traces: &[TraceId]) {
        for of_trace in traces.iter().filter_map(|trace| taps.of_trace.get(trace)) {
            of_trace.version.send_modify(|version| *version += 1);
        }
        drop(taps);
        self.version.send_modify(|version| *version += 1);
    }

    /// A panic while the log was held leaves it whole: every change to it is a single one.
    fn lock(&self) -> MutexGuard<'_, Taps> {
        self.taps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every trace id in the context headers of a request, which are any 32 hexadecimal digits that stand alone, and the one
/// that was announced to the service.
fn traces_named(tap: &WireTap) -> Vec<TraceId> {
    let mut traces: Vec<TraceId> = tap.announced.map(|announced| announced.trace_id).into_iter().collect();
    for format in ContextFormat::ALL {
        for value in tap.request_values(format.header()) {
            let pieces = value.split(|c: char| !c.is_ascii_hexdigit()).filter(|piece| piece.len() == 32);
            for trace in pieces.filter_map(|piece| piece.parse::<TraceId>().ok()).filter(|id| id.is_valid()) {
                if !traces.contains(&trace) {
                    traces.push(trace);
                }
            }
        }
    }
    traces
}
