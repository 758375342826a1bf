//! Reads a recording back, lane by lane: it may be larger than memory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use spanwise_collect::{Recorded, Store, read_recorded};
use spanwise_front::TapLog;
use spanwise_model::RunEvent;
use spanwise_scenario::Plan;

use super::format::{EXPORTS, FORMAT, HEAD, Head, LANES, LaneLine, Line, Version};
use crate::Options;
use crate::ratchet::Review;
use crate::run::LaneEvidence;

/// A recording of a run.
#[derive(Debug)]
pub struct Recording {
    folder: PathBuf,
    plan: Arc<Plan>,
    options: Options,
    cut_cases: Option<BTreeSet<String>>,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The folder is not there, or holds no recording.
    #[error("{} is no recording of a run: {reason}", folder.display())]
    NotARecording {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// It is in a format that is not read here.
    #[error("{} is in recording format {format}, written by spanwise {written_by}, and {FORMAT} is read here", folder.display())]
    OtherFormat {
        /// The folder.
        folder: PathBuf,
        /// Its format.
        format: u32,
        /// The version that wrote it.
        written_by: String,
    },
    /// A line is not what was written.
    #[error("{}:{line}: {reason}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong: a lower-case fragment.
        reason: String,
    },
    /// A file cannot be read.
    #[error("{} cannot be read", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A rule of the options has the name of another.
    #[error(transparent)]
    Rules(#[from] spanwise_check::NameTaken),
}

/// What a line of the recording says.
pub(crate) enum Entry {
    Lane(Box<LaneEvidence>),
    Event(RunEvent),
    Ended {
        duration_ms: u64,
    },
    /// The last line is cut; the run was killed while it wrote. In words.
    Cut(String),
}

impl Recording {
    /// Opens the folder that a [`super::Recorder`] wrote.
    ///
    /// # Errors
    /// It is none, or not in the format that is read here.
    pub fn open(folder: &Path) -> Result<Recording, ReplayError> {
        let none = |reason: &str| ReplayError::NotARecording {
            folder: folder.to_owned(),
            reason: reason.to_owned(),
        };
        match folder.metadata() {
            Err(error) => return Err(none(&error.to_string())),
            Ok(found) if !found.is_dir() => return Err(none("it is a file, and a recording is a folder")),
            Ok(_) => {}
        }
        let file = folder.join(HEAD);
        if !file.exists() {
            return Err(none(&format!("there is no {HEAD} in it")));
        }
        let text = std::fs::read(&file).map_err(unreadable(&file))?;
        if text.is_empty() {
            return Err(none(&format!("{HEAD} is empty, the run was broken off before it began")));
        }
        let damaged = |reason| ReplayError::Damaged { file: file.clone(), line: 1, reason };
        let json = |error: serde_json::Error| damaged(format!("is not of a recording: {error}"));
        let Version { spanwise_recording: format, written_by } =
            serde_json::from_slice(&text).map_err(json)?;
        if format != FORMAT {
            return Err(ReplayError::OtherFormat { folder: folder.to_owned(), format, written_by });
        }
        let Head { options, plan, cut_cases, .. } = serde_json::from_slice(&text).map_err(json)?;
        let options = options.options().map_err(damaged)?;
        let plan = Arc::new(plan.plan().map_err(damaged)?);
        Ok(Recording { folder: folder.to_owned(), plan, options, cut_cases })
    }

    /// The options that the run was judged with: profiles, ratchet, and what results show. Rules of the user's own are for the caller to add.
    pub fn options(&self) -> Options {
        self.options.clone()
    }

    /// What the run means for its ratchet, for results to be taken by; `None` where it had none, or did not say of which cases it had
    /// only a part.
    pub fn review(&self, options: &Options) -> Option<Review<'_>> {
        let ratchet = options.ratchet.as_deref()?.clone();
        Some(Review::new(ratchet, &self.plan, self.cut_cases.clone()?, options))
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What was seen, in the order in which it was written.
    pub(crate) fn entries(&self) -> Result<impl Iterator<Item = Result<Entry, ReplayError>>, ReplayError> {
        let (mut lanes, mut exports) =
            (Lines::open(&self.folder, LANES)?, Lines::open(&self.folder, EXPORTS)?);
        let plan = self.plan.clone();
        let entry = move || -> Result<Option<Entry>, ReplayError> {
            let Some(line) = lanes.next()? else { return Ok(None) };
            Ok(Some(match serde_json::from_slice(&line) {
                Err(error) if lanes.is_cut(&line) => {
                    Entry::Cut(format!("the last line of {} is cut: {error}", lanes.file.display()))
                }
                Err(error) => return Err(lanes.damaged(format!("is not of a recording: {error}"))),
                Ok(Line::Event(event)) => Entry::Event(event),
                Ok(Line::Ended { duration_ms }) => Entry::Ended { duration_ms },
                Ok(Line::Lane(lane)) => {
                    if let Some(reason) = stranger(&lane, &plan) {
                        return Err(lanes.damaged(reason));
                    }
                    let requests =
                        (0..lane.exports).map(|_| exports.request()).collect::<Result<Vec<_>, _>>()?;
                    Entry::Lane(Box::new(evidence(*lane, requests)))
                }
            }))
        };
        let mut entry = entry;
        Ok(std::iter::from_fn(move || entry().transpose()))
    }
}

/// What of a lane is not of the plan.
fn stranger(lane: &LaneLine, plan: &Plan) -> Option<String> {
    if !plan.suites.contains(&lane.suite) {
        return Some(format!("there is no suite {:?} in {HEAD}", lane.suite));
    }
    let strange = lane.driven.iter().find(|(at, _)| *at >= plan.permutations.len());
    strange.map(|(at, _)| format!("there is no permutation {at} in {HEAD}"))
}

fn evidence(lane: LaneLine, exports: Vec<Recorded>) -> LaneEvidence {
    LaneEvidence {
        suite: lane.suite,
        alone: lane.alone,
        again: lane.again,
        driven: lane.driven,
        exports: Arc::new(Store::of(exports)),
        past: lane.past,
        taps: Arc::new(TapLog::of(lane.taps)),
        logs: lane.logs,
        process: lane.process,
        hidden: lane.hidden,
        urls: lane.urls,
    }
}

/// A file of lines, as far as it is read.
struct Lines {
    file: PathBuf,
    text: BufReader<File>,
    number: usize,
}

impl Lines {
    fn open(folder: &Path, name: &str) -> Result<Lines, ReplayError> {
        let file = folder.join(name);
        let text = File::open(&file).map_err(unreadable(&file))?;
        Ok(Lines { file, text: BufReader::new(text), number: 0 })
    }

    /// The next line, with its line break.
    fn next(&mut self) -> Result<Option<Vec<u8>>, ReplayError> {
        let mut line = Vec::new();
        self.number += 1;
        let len = self.text.read_until(b'\n', &mut line).map_err(unreadable(&self.file))?;
        Ok((len > 0).then_some(line))
    }

    fn request(&mut self) -> Result<Recorded, ReplayError> {
        let line = self.next()?.ok_or_else(|| self.damaged("the file ends before it".to_owned()))?;
        read_recorded(self.number, &line).map_err(|error| self.damaged(error.reason))
    }

    /// Whether a line lacks its end.
    fn is_cut(&self, line: &[u8]) -> bool {
        !line.ends_with(b"\n")
    }

    fn damaged(&self, reason: String) -> ReplayError {
        ReplayError::Damaged { file: self.file.clone(), line: self.number, reason }
    }
}

fn unreadable(file: &Path) -> impl Fn(io::Error) -> ReplayError {
    let file = file.to_owned();
    move |source| ReplayError::Io { file: file.clone(), source }
}
