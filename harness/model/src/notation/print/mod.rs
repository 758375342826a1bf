//! Observation to text. What is implied is left out; the same observation always gives the same text.

mod blocks;
mod expected;
mod names;
mod resource;
mod span;
mod wire;

pub use self::expected::print_expected_span;

use super::forest::Forest;
use super::hop::Hops;
use super::parse::{FirstExports, spans_by_export};
use super::text::quote;
use super::times::relations;
use crate::{Evidence, Observation, TraceId};

/// Writes one observation; a name stands above it as `--- permutation NAME`. See the [module](super) for the language.
///
/// What is read back equals the observation if that is in normal form; otherwise it equals its normal form as far as order,
/// ids and times go.
pub fn print(observation: &Observation) -> String {
    written(observation, None)
}

/// Writes the span lines of one trace of an observation, with the names that the whole observation gives.
pub fn print_trace(observation: &Observation, trace: TraceId) -> String {
    written(observation, Some(trace))
}

/// Writes several observations, each behind its `--- permutation NAME` line.
pub fn print_all<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> String {
    observations.into_iter().map(print).collect()
}

/// Writes all, or the lines of one trace.
fn written(observation: &Observation, only: Option<TraceId>) -> String {
    let forest = Forest::of(observation);
    let relations = relations(observation, &forest);
    let names = names::Names::of(observation, &forest, &relations);
    let resources = resource::Resources::of(&observation.spans);
    let mut services = observation.spans.iter().filter(|span| span.is_judged()).peekable();
    let capture = services.peek().is_some() && services.all(|span| span.source.is_none());
    let spans = span::Spans {
        observation,
        forest: &forest,
        relations: &relations,
        names: &names,
        resources: &resources,
        exports: FirstExports::of(observation),
        capture,
    };
    let requests = wire::Requests::of(observation, &forest, &names);
    let mut text = String::new();
    let name = &observation.name;
    if !name.is_empty() && only.is_none() {
        let is_plain = name.trim() == name && !name.starts_with('"') && !name.chars().any(char::is_control);
        let name = if is_plain { name.clone() } else { quote(name) };
        text.push_str(&format!("--- permutation {name}\n"));
    }
    for (at, depth) in forest.depth_first() {
        if only.is_none_or(|trace| observation.spans[at].trace_id == trace) {
            spans.print(at, depth, &requests.fields[at], &mut text);
        }
    }
    if only.is_some() {
        return text;
    }
    let recorded = |evidence| observation.recorded.contains(&evidence);
    let mut block = |name: &str, always: bool, lines: Vec<String>| {
        if always || !lines.is_empty() {
            text.push_str(&format!("{name}:\n"));
            for line in lines {
                text.push_str(&line);
                text.push('\n');
            }
        }
    };
    block("requests", false, requests.lines);
    let hops = Hops::of(observation);
    let taps = observation.wire.iter().map(|tap| wire::print_tap(tap, &observation.spans, &hops, &names));
    block("wire", recorded(Evidence::Wire), taps.collect());
    block("resource", false, resources.lines());
    let logs = observation.logs.iter().map(|record| blocks::print_log(record, &names));
    block("logs", recorded(Evidence::Logs), logs.collect());
    let exports = observation.exports.iter().zip(spans_by_export(observation));
    let exports = exports.map(|(export, spans)| blocks::print_export(export, spans, &names));
    block("export", recorded(Evidence::Exports), exports.collect());
    let events = observation.process.iter().map(blocks::print_process);
    block("process", recorded(Evidence::Process), events.collect());
    block("settings", false, blocks::print_settings(observation, capture));
    block("expected", false, expected::print_expected(&observation.settings.expected));
    let defects = observation.defects.iter().map(|defect| blocks::print_defect(defect, &names));
    block("defects", false, defects.collect());
    text
}
