//! Puts together what is known of one permutation, once its lane's services are gone.

use std::collections::HashSet;

use spanwise_model::{
    Defect, Evidence, Export, LogRecord, Observation, ProcessEvent, Span, TraceId, WireTap,
};
use spanwise_scenario::Permutation;

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
    pub(super) fn observation(&self, permutation: &Permutation, sent: Sent, late: bool) -> Observation {
        let Sent { requests, spans: driver_spans, traces: named } = sent;
        let traces = if self.alone { self.all_traces(&named) } else { named };
        let mut settings = permutation.settings.clone();
        settings.begun = driver_spans.iter().map(|span| span.start).min().unwrap_or_default();
        settings.ended = self.process.iter().map(|event| event.time).max().unwrap_or_default();
        settings.deadline_passed = late;
        let mut observation = Observation {
            name: permutation.name.to_string(),
            spans: driver_spans,
            requests,
            wire: self.wire(&traces),
            logs: self.logs(&traces, permutation),
            process: self.process.clone(),
            settings,
            recorded: Evidence::ALL.to_vec(),
            ..Observation::default()
        };
        for trace in &traces {
            let (spans, defects) = self.instances.store().spans_of(*trace);
            observation.spans.extend(spans);
            observation.defects.extend(defects);
        }
        if self.alone {
            observation.defects.extend(self.instances.store().payload_defects());
        }
        self.take_exports(&mut observation);
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
            return self.instances.taps.all();
        }
        let mut taps: Vec<WireTap> = Vec::new();
        for tap in traces.iter().flat_map(|trace| self.instances.taps.taps_of_trace(*trace)) {
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
        self.instances.running().flat_map(|service| service.logs_where(is_wanted)).collect()
    }

    /// Hands the observation the export requests that its spans and defects came in, and points those at them.
    fn take_exports(&self, observation: &mut Observation) {
        let store = self.instances.store();
        let of_spans = observation.spans.iter().filter_map(|span| span.export);
        let mut used: Vec<usize> =
            of_spans.chain(observation.defects.iter().filter_map(|d| d.export)).collect();
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

/// What came in a shared lane and belongs to none of its permutations.
#[derive(Default)]
pub(super) struct Strays {
    pub(super) spans: Vec<Span>,
    pub(super) taps: Vec<WireTap>,
    /// Of payloads as a whole; those of a trace are its permutation's.
    pub(super) defects: Vec<Defect>,
    /// Whether a service exported, but no span.
    pub(super) empty_exports: bool,
}

impl Strays {
    /// What a lane leaves, beside the traces that its permutations named.
    pub(super) fn of_lane(instances: &Instances, named: &[TraceId]) -> Strays {
        let named: HashSet<TraceId> = named.iter().copied().collect();
        let store = instances.store();
        let traces = store.traces().into_iter().filter(|trace| !named.contains(trace));
        let names = |tap: &WireTap| {
            let contexts = super::send::FORMATS.into_iter().filter_map(|format| tap.context_in(format));
            contexts.map(|context| context.trace_id).any(|trace| named.contains(&trace))
        };
        let is_drivers = |tap: &WireTap| tap.from.as_ref().is_some_and(|from| from.is_driver());
        let taps = instances.taps.all().into_iter().filter(|tap| !names(tap) && !is_drivers(tap));
        Strays {
            spans: traces.flat_map(|trace| store.spans_of(trace).0).collect(),
            taps: taps.collect(),
            defects: store.payload_defects(),
            empty_exports: store.exports().iter().any(|export| export.spans == 0),
        }
    }

    /// Whether anything here could be what a permutation misses.
    pub(super) fn is_empty(&self) -> bool {
        let Strays { spans, taps, defects, empty_exports } = self;
        spans.is_empty() && taps.is_empty() && defects.is_empty() && !empty_exports
    }
}
