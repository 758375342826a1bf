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
    /// The evidence as it is now, where services go on that add to it: what is written down and what is judged must be the same.
    pub(super) fn apart(self) -> LaneEvidence {
        let exports = Arc::new(Store::of(self.exports.recorded(0, usize::MAX)));
        let taps = Arc::new(TapLog::of(self.taps.all()));
        LaneEvidence { exports, taps, ..self }
    }

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

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use spanwise_collect::{Collector, ListenOptions, Options};

    use super::*;
    use crate::run::fixture::{self, exported};
    use crate::run::lane::Seen;

    /// The evidence of a lane of the permutation 0 which was not asked anything, and to which one trace is late.
    fn late(alone: bool) -> LaneEvidence {
        let exports = exported("web INTERNAL \"late\"\nweb INTERNAL \"in time\" trace=T2\n");
        let past = exports.traces().into_iter().take(1).collect();
        let sent = Driven::Sent { sent: Sent::default(), awaited: Vec::new(), millis: 0 };
        let nothing = LaneEvidence::nothing("small", alone, false, vec![(0, sent)]);
        LaneEvidence { exports, past, ..nothing }
    }

    #[test]
    fn what_is_late_is_neither_a_permutations_nor_a_stray() {
        let plan = fixture::plan("");
        let names =
            |spans: &[spanwise_model::Span]| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
        let mut alone = late(true).report(&plan);
        let Some((0, Seen::Observed(observation, _))) = alone.seen.pop() else { panic!("it was seen") };
        assert_eq!(names(&observation.spans), ["in time"]);
        assert_eq!(names(&late(false).report(&plan).strays.spans), ["in time"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn evidence_that_stands_apart_stays_as_it_is() {
        let collector = Collector::new(Options::default());
        let listener = collector.listen_with(ListenOptions::default()).expect("a port");
        let nothing = LaneEvidence::nothing("small", false, false, Vec::new());
        let apart = LaneEvidence { exports: collector.store().clone(), ..nothing }.apart();
        let mut stream = TcpStream::connect(listener.address()).expect("a connection");
        let request = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
                       connection: close\r\n\r\n{}";
        stream.write_all(request.as_bytes()).expect("a request");
        stream.read_to_end(&mut Vec::new()).expect("an answer");
        assert_eq!((collector.store().counts().requests, apart.exports.counts().requests), (1, 0));
    }
}
