//! Where the traces of a capture stand, so that some of them at a time can be held in memory.

use indexmap::IndexMap;
use spanwise_model::{Observation, TraceId};

use super::file::{CaptureError, CaptureFile, Line, Request};
use super::observation;

/// The traces of a capture and the lines that each is in.
pub(super) struct Places {
    /// By the position of the file.
    lines: Vec<(usize, Line)>,
    /// In the order in which they came.
    traces: IndexMap<TraceId, Trace>,
    /// By line, the position of the first trace of it: where the line's own export and defects are told.
    told_with: Vec<usize>,
    /// One for each file without any span: all that it holds.
    pub(super) empty: Vec<Observation>,
}

/// One trace.
#[derive(Default)]
struct Trace {
    spans: usize,
    /// Ascending, without repetition.
    lines: Vec<usize>,
}

impl Places {
    /// Reads all files once, and keeps no span.
    pub(super) fn read(files: &mut [CaptureFile]) -> Result<Places, CaptureError> {
        let (told_with, empty) = (Vec::new(), Vec::new());
        let mut places = Places { lines: Vec::new(), traces: IndexMap::new(), told_with, empty };
        for (at, file) in files.iter_mut().enumerate() {
            let begun = places.lines.len();
            let mut nothing = observation(file.name());
            let mut has_spans = false;
            file.each(|line, request| {
                has_spans |= !request.spans.is_empty();
                places.note((at, line), &request);
                if !has_spans {
                    append(&mut nothing, request);
                }
            })?;
            if !has_spans {
                places.forget(begun);
                places.empty.push(nothing);
            }
        }
        places.traces.retain(|_, trace| trace.spans > 0);
        places.settle();
        Ok(places)
    }

    /// How many traces there are.
    pub(super) fn traces(&self) -> usize {
        self.traces.len()
    }

    fn note(&mut self, line: (usize, Line), request: &Request) {
        let at = self.lines.len();
        self.lines.push(line);
        for span in &request.spans {
            self.traces.entry(span.trace_id).or_default().came_in(at).spans += 1;
        }
        // What was refused is judged beside what was sent in its place.
        for (trace, _) in &request.export.carries {
            self.traces.entry(*trace).or_default().came_in(at);
        }
    }

    /// Takes back the lines from one on.
    fn forget(&mut self, begun: usize) {
        self.lines.truncate(begun);
        for trace in self.traces.values_mut() {
            trace.lines.truncate(trace.lines.partition_point(|&line| line < begun));
        }
    }

    /// Gives every line a trace to be told with: its first one, else that of the line before.
    fn settle(&mut self) {
        let mut told_with = vec![None; self.lines.len()];
        for (position, trace) in self.traces.values().enumerate() {
            for &line in &trace.lines {
                told_with[line].get_or_insert(position);
            }
        }
        let mut before = 0;
        for (line, position) in told_with.iter_mut().enumerate() {
            if position.is_none()
                && let Some((_, trace)) = self.traces.get_index_mut(before)
            {
                let place = trace.lines.partition_point(|&other| other < line);
                trace.lines.insert(place, line);
            }
            before = *position.get_or_insert(before);
        }
        self.told_with = told_with.into_iter().flatten().collect();
    }

    /// Cuts the traces into parts of at least so many spans, and the rest: positions of traces.
    pub(super) fn parts(&self, spans: usize) -> Vec<std::ops::Range<usize>> {
        let (mut parts, mut begun, mut count) = (Vec::new(), 0, 0);
        for (at, trace) in self.traces.values().enumerate() {
            count += trace.spans;
            if count >= spans || at + 1 == self.traces.len() {
                parts.push(begun..at + 1);
                (begun, count) = (at + 1, 0);
            }
        }
        parts
    }

    /// Reads some traces again, with the export requests that carried them.
    pub(super) fn observation(
        &self,
        files: &mut [CaptureFile],
        part: std::ops::Range<usize>,
    ) -> Result<Observation, CaptureError> {
        let traces = self.traces.values().skip(part.start).take(part.len());
        let mut lines: Vec<usize> = traces.flat_map(|trace| trace.lines.iter().copied()).collect();
        lines.sort_unstable();
        lines.dedup();
        let mut read = observation("capture");
        for at in lines {
            let (file, line) = self.lines[at];
            let mut request = files[file].again(line)?;
            let is_told = part.contains(&self.told_with[at]);
            let is_wanted = |trace: &TraceId| match self.traces.get_index_of(trace) {
                Some(position) => part.contains(&position),
                None => is_told,
            };
            request.spans.retain(|span| is_wanted(&span.trace_id));
            request.defects.retain(|defect| defect.trace_id.as_ref().map_or(is_told, is_wanted));
            request.export.carries.retain(|(trace, _)| is_wanted(trace));
            append(&mut read, request);
        }
        Ok(read)
    }
}

impl Trace {
    fn came_in(&mut self, line: usize) -> &mut Trace {
        if self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
        self
    }
}

/// Adds a request to what is known, as the last one.
fn append(observation: &mut Observation, request: Request) {
    let Request { export, mut spans, mut defects } = request;
    let at = Some(observation.exports.len());
    spans.iter_mut().for_each(|span| span.export = at);
    defects.iter_mut().for_each(|defect| defect.export = at);
    observation.exports.push(export);
    observation.spans.append(&mut spans);
    observation.defects.append(&mut defects);
}
