//! Puts together what is known of one permutation, once its lane's services are gone.

use std::collections::HashSet;

use spanwise_cloud_run::front_end_span;
use spanwise_model::{
    Defect, Export, FrontEndSpans, LogRecord, Observation, ProcessEvent, Span, Stream, TraceId, WireTap,
};
use spanwise_scenario::Permutation;

use super::complete::Awaited;
use super::instances::Instances;
use super::send::Sent;

/// A lane after its services ended.
pub(super) struct Scene<'l> {
    pub(super) instances: &'l Instances,
    pub(super) process: Vec<ProcessEvent>,
    pub(super) alone: bool,
}

impl Scene<'_> {
    /// All that is known of a permutation: by the traces that its requests named or, in a lane of one, everything.
    pub(super) fn observation(
        &self,
        permutation: &Permutation,
        sent: Sent,
        awaited: &[Awaited],
    ) -> Observation {
        let Sent { requests, spans: driver_spans, traces: named } = sent;
        let traces = if self.alone { self.all_traces(&named) } else { named };
        let mut settings = permutation.settings.clone();
        settings.begun = driver_spans.iter().map(|span| span.start).min().unwrap_or_default();
        settings.ended = self.process.iter().map(|event| event.time).max().unwrap_or_default();
        settings.deadline_passed = !awaited.is_empty();
        settings.awaited = awaited.iter().map(ToString::to_string).collect();
        for service in settings.services.iter_mut().filter(|service| service.auth_required) {
            service.audiences.extend(self.instances.urls(&service.name));
        }
        let mut observation = Observation {
            name: permutation.name.to_string(),
            spans: driver_spans,
            requests,
            wire: self.wire(&traces),
            logs: self.logs(&traces, permutation),
            process: self.process.clone(),
            settings,
            recorded: self.instances.recorded(&permutation.services),
            ..Observation::default()
        };
        for trace in &traces {
            let (spans, defects) = self.instances.store().spans_of(*trace);
            observation.spans.extend(spans);
            observation.defects.extend(defects);
        }
        if observation.settings.front_end.spans == FrontEndSpans::Stored {
            let context = observation.settings.front_end.context;
            let stored = observation.wire.iter().filter_map(|tap| front_end_span(tap, context));
            observation.spans.extend(stored);
        }
        if self.alone {
            observation.defects.extend(self.instances.store().payload_defects());
        }
        self.take_exports(&mut observation, &traces);
        observation
    }

    /// The traces of the requests first, then whatever else came.
    fn all_traces(&self, named: &[TraceId]) -> Vec<TraceId> {
        let mut traces = named.to_vec();
        traces.extend(self.instances.store().traces().into_iter().filter(|trace| !named.contains(trace)));
        traces
    }

    fn wire(&self, traces: &[TraceId]) -> Vec<WireTap> {
        if self.alone {
            return self.instances.taps().all();
        }
        let mut taps: Vec<WireTap> = Vec::new();
        for tap in traces.iter().flat_map(|trace| self.instances.taps().taps_of_trace(*trace)) {
            // An exchange that names two traces is found by both.
            if !taps.contains(&tap) {
                taps.push(tap);
            }
        }
        taps.sort_by_key(|tap| tap.stamps.begun);
        taps
    }

    /// The lines that name one of the traces or one of the users; in a lane of one, all.
    fn logs(&self, traces: &[TraceId], permutation: &Permutation) -> Vec<LogRecord> {
        let mut wanted: Vec<String> = traces.iter().map(TraceId::to_string).collect();
        wanted.extend(permutation.requests.iter().filter_map(|request| request.marker.clone()));
        let is_wanted =
            |record: &LogRecord| self.alone || wanted.iter().any(|text| record.line.contains(text.as_str()));
        self.instances.all().iter().flat_map(|service| service.logs_where(&is_wanted)).collect()
    }

    /// Hands the observation the export requests that its spans and defects came in, and points those at them; of requests
    /// that were refused, those that carried spans of its traces. In a lane of one, all.
    fn take_exports(&self, observation: &mut Observation, traces: &[TraceId]) {
        let store = self.instances.store();
        let of_spans = observation.spans.iter().filter_map(|span| span.export);
        let mut used: Vec<usize> =
            of_spans.chain(observation.defects.iter().filter_map(|d| d.export)).collect();
        used.extend(store.refused_of(traces));
        if self.alone {
            used = (0..store.exports().len()).collect();
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

/// What the requests of a lane's permutations are known by.
#[derive(Default)]
pub(super) struct Named {
    traces: HashSet<TraceId>,
    markers: HashSet<String>,
}

impl Named {
    /// Adds what was sent in one permutation.
    pub(super) fn add(&mut self, sent: &Sent) {
        self.traces.extend(&sent.traces);
        self.markers.extend(sent.requests.iter().filter_map(|request| request.marker.clone()));
    }

    /// Whether a line that a service wrote names one of the traces or markers.
    fn in_line(&self, line: &str) -> bool {
        let ids = line.split(|c: char| !c.is_ascii_hexdigit()).filter(|piece| piece.len() == 32);
        ids.filter_map(|id| id.parse::<TraceId>().ok()).any(|id| self.traces.contains(&id))
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
    pub(super) fn of_lane(instances: &Instances, named: &Named) -> Strays {
        let store = instances.store();
        let (mut spans, mut defects) = (Vec::new(), store.payload_defects());
        for trace in store.traces().into_iter().filter(|trace| !named.traces.contains(trace)) {
            let (of_trace, broken) = store.spans_of(trace);
            spans.extend(of_trace);
            defects.extend(broken);
        }
        let names = |tap: &WireTap| {
            tap.contexts().map(|context| context.trace_id).any(|trace| named.traces.contains(&trace))
        };
        let is_drivers = |tap: &WireTap| tap.from.as_ref().is_some_and(|from| from.is_driver());
        let taps = instances.taps().all().into_iter().filter(|tap| !names(tap) && !is_drivers(tap));
        let is_unnamed = |record: &LogRecord| {
            record.stream == Stream::Stderr && !record.line.is_empty() && !named.in_line(&record.line)
        };
        Strays {
            spans,
            taps: taps.collect(),
            defects,
            empty_exports: store.exports().iter().any(|export| export.spans == 0),
            unnamed_errors: instances.all().iter().any(|service| !service.logs_where(&is_unnamed).is_empty()),
        }
    }

    /// Whether anything here could be what a permutation misses.
    pub(super) fn is_empty(&self) -> bool {
        let Strays { spans, taps, defects, empty_exports, unnamed_errors } = self;
        spans.is_empty() && taps.is_empty() && defects.is_empty() && !empty_exports && !unnamed_errors
    }
}
