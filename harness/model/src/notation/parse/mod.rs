//! Text to observation: cuts the text into permutations, trees and blocks, and fills in what is implied.

mod blocks;
mod build;
mod expected;
mod labels;
mod names;
mod request;
mod resource;
mod span;
mod wire;
mod words;

use super::error::NotationError;
use super::forest::Forest;
use super::hop::Hops;
use super::ids::canonical_ids;
use super::layout::lay_out;
use super::line::Line;
use crate::{Evidence, Observation, Source};

pub(super) use self::build::{FirstExports, default_receiver};
pub(super) use self::names::is_name;
pub(super) use self::request::implied_result;
pub(super) use self::span::{ID_FIELDS, ID_PROBLEMS};
pub(super) use self::wire::{authority, implied_frames};

/// Reads one observation; see the [module](super) for the language.
pub fn parse(text: &str) -> Result<Observation, NotationError> {
    let mut observations = parse_all(text)?;
    match observations.len() {
        1 => Ok(observations.remove(0)),
        more => {
            let line = text.lines().count().max(1);
            let expected = "one permutation".to_owned();
            Err(NotationError { line, column: 1, expected, found: format!("{more} of them") })
        }
    }
}

/// Reads every observation of a text: those behind `--- permutation NAME` lines, or the only one.
pub fn parse_all(text: &str) -> Result<Vec<Observation>, NotationError> {
    let mut observations = Vec::new();
    let mut reader = Reader::default();
    let mut began = false;
    for (number, text) in text.lines().enumerate() {
        let mut line = Line::new(text, number + 1);
        if line.take("--- ") {
            let place = line.place();
            let word = line.word();
            if word != "permutation" {
                return Err(place.expected("`permutation` and a name", &word));
            }
            if began {
                observations.push(std::mem::take(&mut reader).finish()?);
            }
            line.place();
            reader.name = if line.rest().starts_with('"') { line.quoted()? } else { line.rest().to_owned() };
            began = true;
            continue;
        }
        began |= reader.line(line)?;
    }
    observations.push(reader.finish()?);
    Ok(observations)
}

/// The blocks that can follow the trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Requests,
    Wire,
    Resource,
    Logs,
    Export,
    Process,
    Settings,
    Expected,
    Defects,
}

const BLOCKS: [(&str, Block); 9] = [
    ("requests:", Block::Requests),
    ("wire:", Block::Wire),
    ("resource:", Block::Resource),
    ("logs:", Block::Logs),
    ("export:", Block::Export),
    ("process:", Block::Process),
    ("settings:", Block::Settings),
    ("expected:", Block::Expected),
    ("defects:", Block::Defects),
];

/// What was read of one observation so far.
#[derive(Debug, Default)]
struct Reader<'a> {
    name: String,
    observation: Observation,
    names: names::Names,
    block: Option<Block>,
    drafts: Vec<span::Draft>,
    taps: Vec<wire::TapDraft>,
    requests: Vec<Line<'a>>,
    resources: resource::Resources,
    counted_exports: Vec<bool>,
    extra: blocks::Extra,
    expected: expected::Expected,
}

impl<'a> Reader<'a> {
    /// Reads one line; `false` if there is nothing on it.
    fn line(&mut self, mut line: Line<'a>) -> Result<bool, NotationError> {
        let mut depth = line.indent();
        if line.is_done() || line.rest().starts_with('#') {
            return Ok(false);
        }
        if depth == 0 && line.text().ends_with(':') && !line.text().contains([' ', '"']) {
            let Some((_, block)) = BLOCKS.iter().find(|(name, _)| *name == line.text()) else {
                let names: Vec<String> = BLOCKS.iter().map(|(name, _)| format!("`{name}`")).collect();
                return Err(line.expected(format!("a span line, or a block: {}", names.join(", "))));
            };
            self.begin(*block);
            return Ok(true);
        }
        if depth == 0 {
            self.block = None;
        }
        if let Some(block) = self.block {
            self.block_line(block, &mut line, depth)?;
        } else if line.take("|") {
            match self.drafts.last_mut() {
                Some(draft) => draft.more(&mut line, &mut self.names)?,
                None => return Err(line.expected("a span line above this one")),
            }
        } else {
            if line.take("[") {
                let place = line.place();
                let number = line.plain("]");
                depth = number
                    .parse::<u32>()
                    .ok()
                    .map(|depth| 2 * depth as usize)
                    .ok_or_else(|| place.expected("the depth of a span, as a number", &number))?;
                if !line.take("]") {
                    return Err(line.expected("`]`"));
                }
                line.place();
            }
            self.drafts.push(span::read_span(&mut line, depth, &mut self.names)?);
        }
        Ok(true)
    }

    fn begin(&mut self, block: Block) {
        self.block = Some(block);
        let evidence = match block {
            Block::Wire => Evidence::Wire,
            Block::Logs => Evidence::Logs,
            Block::Export => Evidence::Exports,
            Block::Process => Evidence::Process,
            Block::Requests | Block::Resource | Block::Settings | Block::Expected | Block::Defects => return,
        };
        if !self.observation.recorded.contains(&evidence) {
            self.observation.recorded.push(evidence);
        }
    }

    fn block_line(&mut self, block: Block, line: &mut Line<'a>, depth: usize) -> Result<(), NotationError> {
        let names = &mut self.names;
        match block {
            // Requests refer to services that later lines may name first.
            Block::Requests => self.requests.push(line.clone()),
            Block::Wire if line.take("|") => match self.taps.last_mut() {
                Some(tap) => tap.more(line, names)?,
                None => return Err(line.expected("a wire line above this one")),
            },
            Block::Wire => self.taps.push(wire::read_tap(line, names)?),
            Block::Resource => self.resources.read(line)?,
            Block::Logs => self.observation.logs.push(blocks::read_log(line, names)?),
            Block::Export => {
                let (export, counted) = blocks::read_export(line, names)?;
                self.observation.exports.push(export);
                self.counted_exports.push(counted);
            }
            Block::Process => self.observation.process.push(blocks::read_process(line)?),
            Block::Settings => blocks::read_settings(line, &mut self.observation, &mut self.extra)?,
            Block::Expected => self.expected.read(line, depth)?,
            Block::Defects => self.observation.defects.push(blocks::read_defect(line, names)?),
        }
        if line.is_done() || block == Block::Requests {
            Ok(())
        } else {
            Err(line.expected("the end of the line"))
        }
    }

    fn finish(mut self) -> Result<Observation, NotationError> {
        let mut observation = self.observation;
        observation.name = self.name;
        observation.settings.expected = self.expected.finish();
        let announced: Vec<_> =
            self.drafts.iter().map(|draft| draft.announced.map(|_| draft.place)).collect();
        let relations = build::build(
            self.drafts,
            &mut self.resources,
            &mut self.names,
            &mut observation,
            self.extra.capture,
        )?;
        let to = observation.spans.iter().find(|span| span.is_judged()).and_then(|span| span.source.clone());
        let to = to.unwrap_or_else(|| Source::new("service", 1));
        for mut line in self.requests {
            line.place();
            observation.requests.push(request::read_request(&mut line, &mut self.names, to.clone())?);
        }
        self.names.check()?;
        let hops = Hops::of(&observation);
        observation.wire = self.taps.into_iter().map(|tap| tap.complete(&observation.spans, &hops)).collect();
        let forest = Forest::of(&observation);
        for (at, place) in announced.into_iter().enumerate() {
            if let (Some(place), None) = (place, forest.parent[at]) {
                let expected = "an exchange in `wire:` that announces the parent in place of the span above";
                return Err(place.expected(expected, &observation.spans[at].name));
            }
        }
        let counts = spans_by_export(&observation);
        let uncounted = self.counted_exports.into_iter().map(|counted| !counted);
        for ((export, count), _) in
            observation.exports.iter_mut().zip(counts).zip(uncounted).filter(|(_, is)| *is)
        {
            export.spans = count;
        }
        let recorded = &mut observation.recorded;
        recorded.extend([Evidence::Spans, Evidence::Resource]);
        recorded.retain(|evidence| !self.extra.unrecorded.contains(evidence));
        recorded.sort_by_key(|evidence| Evidence::ALL.iter().position(|other| other == evidence));
        lay_out(&mut observation, &relations, self.extra.timed);
        canonical_ids(&mut observation);
        Ok(observation)
    }
}

/// For each export request, how many spans say that it carried them.
pub(super) fn spans_by_export(observation: &Observation) -> Vec<u32> {
    let mut counts = vec![0; observation.exports.len()];
    for at in observation.spans.iter().filter_map(|span| span.export) {
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    }
    counts
}
