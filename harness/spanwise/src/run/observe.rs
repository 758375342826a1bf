//! Puts together what is known of each permutation: of a lane once its services are gone, of a session while they run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use spanwise_cloud_run::front_end_span;
use spanwise_collect::Store;
use spanwise_front::TapLog;
use spanwise_model::{
    Defect, Evidence, Export, FrontEndSpans, LogRecord, Observation, Request, Span, Stream, TraceId, WireTap,
};
use spanwise_scenario::{Permutation, Plan};

use super::evidence::{Driven, LaneEvidence};
use super::instances::Instances;
use super::lane::{LaneReport, Seen};
use super::send::Sent;

/// From where on everything belongs to one permutation: from the beginning, in a lane of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Mark {
    traces: usize,
    taps: usize,
    exports: usize,
    time: u64,
    /// Traces that others named.
    others: HashSet<TraceId>,
}

impl Mark {
    /// From now on.
    pub(super) fn now(instances: &Instances, time: u64) -> Mark {
        let counts = instances.store().counts();
        Mark {
            traces: counts.traces as usize,
            taps: instances.taps().len(),
            exports: counts.requests as usize,
            time,
            others: HashSet::new(),
        }
    }

    /// Without the traces that others named.
    pub(super) fn but(self, others: HashSet<TraceId>) -> Mark {
        Mark { others, ..self }
    }

    /// The traces that came behind it.
    pub(super) fn traces(&self, store: &Store) -> impl Iterator<Item = TraceId> {
        store.traces_since(self.traces).into_iter().filter(|trace| !self.others.contains(trace))
    }

    /// The exchanges that began behind it.
    pub(super) fn taps(&self, taps: &TapLog) -> Vec<WireTap> {
        let mut taps = taps.since(self.taps);
        taps.retain(|tap| !tap.contexts().any(|context| self.others.contains(&context.trace_id)));
        taps
    }
}

impl LaneEvidence {
    /// What the lane saw: an observation for each permutation that ran, and what belongs to none.
    pub(super) fn report(&self, plan: &Plan) -> LaneReport {
        let mut seen = Vec::new();
        let mut named = Named::default();
        let ended = self.process.iter().map(|event| event.time).max().unwrap_or_default();
        let claim = self.alone.then(Mark::default);
        let lines = LinesOfTraces::of(&self.logs);
        for (at, driven) in &self.driven {
            let one = match driven {
                Driven::CouldNotRun(reason) => Seen::CouldNotRun(reason.clone()),
                Driven::BrokenOff { reason, sent } => {
                    named.add(sent);
                    Seen::CouldNotRun(reason.clone())
                }
                Driven::Sent { sent, awaited, millis } => {
                    named.add(sent);
                    let permutation = &plan.permutations[*at];
                    let observation =
                        self.observation(permutation, sent, awaited, claim.as_ref(), (&lines, ended));
                    Seen::Observed(Box::new(observation), Duration::from_millis(*millis))
                }
            };
            seen.push((*at, one));
        }
        // In a lane of one, all there is belongs to the one.
        let strays = if self.alone { Strays::default() } else { Strays::of_lane(self, &named) };
        let (alone, again, suite) = (self.alone, self.again, self.suite.clone());
        LaneReport { alone, again, suite, seen, strays, encoded: None }
    }

    /// All that is known of a permutation: by the traces that its requests named, and what it claims. `lines` are those of all that was
    /// written; `ended` is until when all was seen, in nanoseconds since the Unix epoch, 0 where nobody knows the time of what is
    /// looked at.
    pub(super) fn observation(
        &self,
        permutation: &Permutation,
        sent: &Sent,
        awaited: &[String],
        claim: Option<&Mark>,
        (lines, ended): (&LinesOfTraces, u64),
    ) -> Observation {
        let Sent { requests, spans: driver_spans, traces: named, logs } = sent;
        let traces = self.all_traces(named, claim);
        let mut settings = permutation.settings.clone();
        settings.begun = driver_spans.iter().map(|span| span.start).min().unwrap_or_default();
        settings.ended = ended;
        settings.deadline_passed = !awaited.is_empty();
        settings.awaited = awaited.to_vec();
        for service in settings.services.iter_mut().filter(|service| service.auth_required) {
            service.audiences.extend(self.urls.get(&service.name).into_iter().flatten().cloned());
        }
        let mut observation = Observation {
            name: permutation.name.to_string(),
            spans: driver_spans.clone(),
            requests: requests.clone(),
            wire: self.wire(&traces, claim),
            logs: self.logs(lines, &traces, requests, claim).into_iter().chain(logs.clone()).collect(),
            process: self.process.clone(),
            settings,
            recorded: self.recorded(&permutation.services),
            ..Observation::default()
        };
        for trace in &traces {
            let (mut spans, defects) = self.exports.spans_of(*trace);
            // They came by batches of several services. In the order of their beginnings, a finding about what many of them
            // have in common shows the way to the outermost, in every run.
            spans.sort_by_key(|span| span.start);
            observation.spans.extend(spans);
            observation.defects.extend(defects);
        }
        if observation.settings.front_end.spans == FrontEndSpans::Stored {
            let context = observation.settings.front_end.context;
            let stored = observation.wire.iter().filter_map(|tap| front_end_span(tap, context));
            observation.spans.extend(stored);
        }
        if let Some(mark) = claim {
            let mut broken = self.exports.payload_defects();
            broken.retain(|defect| defect.export.is_none_or(|export| export >= mark.exports));
            observation.defects.extend(broken);
        }
        self.take_exports(&mut observation, &traces, claim);
        observation
    }

    /// The evidence that is recorded of all these services: a rule could not tell what one without any output wrote.
    fn recorded(&self, services: &[String]) -> Vec<Evidence> {
        let hidden: Vec<&Evidence> =
            services.iter().filter_map(|name| self.hidden.get(name)).flatten().collect();
        Evidence::ALL.into_iter().filter(|evidence| !hidden.contains(&evidence)).collect()
    }

    /// The traces of which something came that is the lane's own.
    fn traces(&self) -> impl Iterator<Item = TraceId> {
        self.exports.traces().into_iter().filter(|trace| !self.past.contains(trace))
    }

    /// The traces of the requests first, then whatever else is claimed.
    fn all_traces(&self, named: &[TraceId], claim: Option<&Mark>) -> Vec<TraceId> {
        let claimed = claim.into_iter().flat_map(|mark| mark.traces(&self.exports));
        let mut traces = named.to_vec();
        traces.extend(claimed.filter(|trace| !named.contains(trace) && !self.past.contains(trace)));
        traces
    }

    fn wire(&self, traces: &[TraceId], claim: Option<&Mark>) -> Vec<WireTap> {
        if let Some(mark) = claim {
            return mark.taps(&self.taps);
        }
        let mut taps = self.taps.taps_of_traces(traces);
        taps.sort_by_key(|tap| tap.stamps.begun);
        taps
    }

    /// The lines that name one of the traces or one of the users, and those that are claimed.
    fn logs(
        &self,
        lines: &LinesOfTraces,
        traces: &[TraceId],
        requests: &[Request],
        claim: Option<&Mark>,
    ) -> Vec<LogRecord> {
        let mut wanted: BTreeSet<usize> =
            traces.iter().flat_map(|trace| lines.of_trace(*trace)).copied().collect();
        let markers: Vec<&str> = requests.iter().filter_map(|request| request.marker.as_deref()).collect();
        if claim.is_some() || !markers.is_empty() {
            let is_claimed = |record: &LogRecord| claim.is_some_and(|mark| record.time >= mark.time);
            let names_one = |record: &LogRecord| markers.iter().any(|marker| record.line.contains(marker));
            let is_wanted = |(_, record): &(usize, &LogRecord)| is_claimed(record) || names_one(record);
            wanted.extend(self.logs.iter().enumerate().filter(is_wanted).map(|(at, _)| at));
        }
        wanted.into_iter().map(|at| self.logs[at].clone()).collect()
    }

    /// Hands the observation the export requests that its spans and defects came in, and points those at them; of requests
    /// that were refused, those that carried spans of its traces; and those that are claimed.
    fn take_exports(&self, observation: &mut Observation, traces: &[TraceId], claim: Option<&Mark>) {
        let store = &self.exports;
        let of_spans = observation.spans.iter().filter_map(|span| span.export);
        let mut used: Vec<usize> =
            of_spans.chain(observation.defects.iter().filter_map(|d| d.export)).collect();
        used.extend(store.refused_of(traces));
        if let Some(mark) = claim {
            used.extend(mark.exports..store.counts().requests as usize);
        }
        used.sort_unstable();
        used.dedup();
        let place = |export: &mut Option<usize>| {
            *export = export.and_then(|index| used.binary_search(&index).ok());
        };
        observation.spans.iter_mut().for_each(|span| place(&mut span.export));
        observation.defects.iter_mut().for_each(|defect: &mut Defect| place(&mut defect.export));
        observation.exports = used.iter().filter_map(|index| store.export(*index)).collect::<Vec<Export>>();
    }
}

/// Lines by the traces that they name, as indices: a lane has many permutations and many lines.
pub(super) struct LinesOfTraces(HashMap<TraceId, Vec<usize>>);

impl LinesOfTraces {
    /// Those of these lines.
    pub(super) fn of(logs: &[LogRecord]) -> LinesOfTraces {
        let mut lines: HashMap<TraceId, Vec<usize>> = HashMap::new();
        for (at, record) in logs.iter().enumerate() {
            named_in(&record.line).for_each(|trace| lines.entry(trace).or_default().push(at));
        }
        LinesOfTraces(lines)
    }

    fn of_trace(&self, trace: TraceId) -> &[usize] {
        self.0.get(&trace).map(Vec::as_slice).unwrap_or_default()
    }
}

/// The traces that a line names: any 32 hexadecimal digits that stand alone.
fn named_in(line: &str) -> impl Iterator<Item = TraceId> {
    let pieces = line.split(|c: char| !c.is_ascii_hexdigit()).filter(|piece| piece.len() == 32);
    pieces.filter_map(|piece| piece.parse().ok())
}

/// What the requests of a lane's permutations are known by.
#[derive(Default)]
struct Named {
    traces: HashSet<TraceId>,
    markers: HashSet<String>,
}

impl Named {
    /// Adds what was sent in one permutation.
    fn add(&mut self, sent: &Sent) {
        self.traces.extend(&sent.traces);
        self.markers.extend(sent.requests.iter().filter_map(|request| request.marker.clone()));
    }

    /// Whether a line that a service wrote names one of the traces or markers.
    fn in_line(&self, line: &str) -> bool {
        named_in(line).any(|trace| self.traces.contains(&trace))
            || self.markers.iter().any(|marker| line.contains(marker.as_str()))
    }
}

/// What came in a shared lane and belongs to none of its permutations.
#[derive(Default)]
pub(super) struct Strays {
    pub(super) spans: Vec<Span>,
    pub(super) taps: Vec<WireTap>,
    /// Of payloads as a whole, and of stray spans; those of a named trace are its permutation's.
    pub(super) defects: Vec<Defect>,
    /// Whether a service exported, but no span.
    pub(super) empty_exports: bool,
    /// Whether a service wrote a line to standard error that names no request: clients that refuse to send write so.
    pub(super) unnamed_errors: bool,
}

impl Strays {
    /// What a lane leaves, beside what its permutations named.
    fn of_lane(lane: &LaneEvidence, named: &Named) -> Strays {
        let store = &lane.exports;
        let (mut spans, mut defects) = (Vec::new(), store.payload_defects());
        for trace in lane.traces().filter(|trace| !named.traces.contains(trace)) {
            let (of_trace, broken) = store.spans_of(trace);
            spans.extend(of_trace);
            defects.extend(broken);
        }
        let names = |tap: &WireTap| {
            tap.contexts().map(|context| context.trace_id).any(|trace| named.traces.contains(&trace))
        };
        let is_drivers = |tap: &WireTap| tap.from.as_ref().is_some_and(|from| from.is_driver());
        let taps = lane.taps.all().into_iter().filter(|tap| !names(tap) && !is_drivers(tap));
        let is_unnamed = |record: &LogRecord| {
            record.stream == Stream::Stderr && !record.line.is_empty() && !named.in_line(&record.line)
        };
        let exports = store.exports();
        Strays {
            spans,
            taps: taps.collect(),
            defects,
            empty_exports: exports.iter().any(|export| export.spans == 0),
            // Where nothing at all was exported, what a line tells is not what is wrong first.
            unnamed_errors: !exports.is_empty() && lane.logs.iter().any(is_unnamed),
        }
    }

    /// Whether anything here could be what a permutation misses.
    pub(super) fn is_empty(&self) -> bool {
        let Strays { spans, taps, defects, empty_exports, unnamed_errors } = self;
        spans.is_empty() && taps.is_empty() && defects.is_empty() && !empty_exports && !unnamed_errors
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use spanwise_model::Source;

    use super::*;
    use crate::run::fixture;

    #[test]
    fn a_line_is_of_the_permutation_whose_trace_or_user_it_names() {
        let sent = |trace: u8, marker: Option<&str>| {
            let mut requests = fixture::observed("driver CLIENT \"GET /\" 200 to=web\n").requests;
            requests[0].marker = marker.map(str::to_owned);
            let sent = Sent { requests, traces: vec![TraceId([trace; 16])], ..Sent::default() };
            Driven::Sent { sent, awaited: Vec::new(), millis: 0 }
        };
        let (one, other) = ("ab".repeat(16), "CD".repeat(16));
        let lines = [
            format!("{{\"trace\":\"projects/p/traces/{one}\"}}"),
            format!("00-{other}-0123456789abcdef-01"),
            format!("both {one} and {}", other.to_lowercase()),
            "for ada".to_owned(),
            format!("longer {one}0"),
        ];
        let record = |line: &String| LogRecord {
            source: Source::new("web", 1),
            stream: Stream::Stderr,
            time: 1,
            line: line.clone(),
        };
        let driven = vec![(0, sent(0xab, None)), (1, sent(0xcd, Some("ada")))];
        let mut lane = LaneEvidence {
            logs: lines.iter().map(record).collect(),
            exports: fixture::exported("web INTERNAL \"start\"\n"),
            ..LaneEvidence::nothing("small", false, false, driven)
        };
        let report = lane.report(&fixture::plan(""));
        let seen = report.seen.iter().map(|(_, seen)| match seen {
            Seen::Observed(observation, _) => observation.logs.iter().map(|log| log.line.clone()).collect(),
            Seen::CouldNotRun(reason) => vec![reason.clone()],
        });
        let line = |at: usize| lines[at].clone();
        assert_eq!(seen.collect::<Vec<_>>(), [vec![line(0), line(2)], vec![line(1), line(2), line(3)]]);
        assert!(report.strays.unnamed_errors, "the longer one names nobody");
        lane.exports = Arc::new(Store::of([]));
        assert!(!lane.report(&fixture::plan("")).strays.unnamed_errors, "nothing at all was exported");
    }
}
