//! What a lane leaves behind when its services are gone. Everything after it reads this alone (`observe`), and nothing that is
//! alive, so a lane that was read back from a recording is judged as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use spanwise_collect::Store;
use spanwise_front::TapLog;
use spanwise_model::{Evidence, LogRecord, ProcessEvent, TraceId};

use super::send::Sent;

/// What a lane leaves behind.
pub(crate) struct LaneEvidence {
    /// The suite of its permutations.
    pub(crate) suite: String,
    /// Whether everything in it belongs to its one permutation.
    pub(crate) alone: bool,
    /// Whether its permutation ran before, in a shared lane.
    pub(crate) again: bool,
    /// What became of each of its permutations, by index into the plan's.
    pub(crate) driven: Vec<(usize, Driven)>,
    /// Everything that was exported.
    pub(crate) exports: Arc<Store>,
    /// The traces among them that an earlier lane saw: a service that runs already exports when it pleases, and what is late belongs
    /// to nobody any more.
    pub(crate) past: BTreeSet<TraceId>,
    /// What went over the wire.
    pub(crate) taps: Arc<TapLog>,
    /// The lines that its services wrote, instance by instance.
    pub(crate) logs: Vec<LogRecord>,
    /// What happened to their processes.
    pub(crate) process: Vec<ProcessEvent>,
    /// The evidence that is not recorded of a service, by service; those of which all is are not there.
    pub(crate) hidden: BTreeMap<String, Vec<Evidence>>,
    /// The URLs at which a service is called, by service, where a platform is emulated that asks for tokens that name one.
    pub(crate) urls: BTreeMap<String, Vec<String>>,
}

/// What became of one permutation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Driven {
    /// Its requests were sent.
    Sent {
        /// What the driver knows of them.
        sent: Sent,
        /// What had not come when the deadline passed, in words.
        awaited: Vec<String>,
        /// From the first request until all had come that was waited for, in milliseconds.
        millis: u64,
    },
    /// A request could not be made when others were sent already, so it counts as one that did not run.
    BrokenOff {
        /// Why.
        reason: String,
        /// What was sent before.
        sent: Sent,
    },
    /// It did not run, for this reason.
    CouldNotRun(String),
}

impl LaneEvidence {
    /// The evidence of a lane that came to nothing: the same reason for all its permutations.
    pub(super) fn nothing(
        suite: &str,
        alone: bool,
        again: bool,
        driven: Vec<(usize, Driven)>,
    ) -> LaneEvidence {
        LaneEvidence {
            suite: suite.to_owned(),
            alone,
            again,
            driven,
            exports: Arc::new(Store::of([])),
            past: BTreeSet::new(),
            taps: Arc::default(),
            logs: Vec::new(),
            process: Vec::new(),
            hidden: BTreeMap::new(),
            urls: BTreeMap::new(),
        }
    }
}
