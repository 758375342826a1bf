//! Writes what a run sees, as it sees it: a recording in a folder, or the spans alone as OTLP JSON lines.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, DirEntry, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use spanwise_collect::{create_private, write_recording};
use spanwise_decode::write_otlp;
use spanwise_model::{RunEvent, Span};
use spanwise_scenario::Plan;

use super::format::{EXPORTS, FORMAT, HEAD, Head, LANES, LaneLine, Line, OptionsRecord, Version};
use super::plan::PlanRecord;
use crate::Options;
use crate::run::LaneEvidence;

/// Where a run writes down what it sees; see [`Options::record`]. Clones write to the same place.
///
/// What goes wrong while writing does not stop the run: [`Recorder::finish`] says it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    sinks: Arc<Mutex<Sinks>>,
    has_folder: bool,
    has_json_lines: bool,
    cut_cases: Option<BTreeSet<String>>,
}

/// Why something is not written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder holds a recording, which is never overwritten.
    #[error("{} holds a recording already", .0.display())]
    HoldsRecording(PathBuf),
    /// The folder holds something else.
    #[error("{} is not empty, and no recording", .0.display())]
    NotEmpty(PathBuf),
    /// A file or folder cannot be written.
    #[error("{} cannot be written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug, Default)]
struct Sinks {
    folder: Option<Folder>,
    json_lines: Option<Sink>,
    /// The first trouble; nothing is written after it.
    failed: Option<RecordError>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Whether a run is written into it already.
    has_begun: bool,
    head: Sink,
    lanes: Sink,
    exports: Sink,
}

#[derive(Debug)]
struct Sink {
    path: PathBuf,
    file: BufWriter<File>,
}

/// A lane as it will be written. Making it takes longer than writing it, and lanes make theirs side by side.
#[derive(Debug)]
pub(crate) struct Encoded {
    lane: Vec<u8>,
    exports: Vec<u8>,
    json_lines: Vec<u8>,
}

impl Recorder {
    /// A recorder that writes nothing yet.
    pub fn new() -> Recorder {
        Recorder::default()
    }

    /// Writes a recording into a folder, which is made where it is not there, for its owner's eyes alone.
    ///
    /// # Errors
    /// The folder holds something, or cannot be written.
    pub fn to_folder(mut self, folder: &Path) -> Result<Recorder, RecordError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(unwritable(folder))?;
        let mut entries = folder.read_dir().map_err(unwritable(folder))?;
        // Where a run was not even begun, its files are there and empty.
        let is_untouched = |entry: &io::Result<DirEntry>| {
            let Ok(entry) = entry else { return false };
            let is_ours = [HEAD, LANES, EXPORTS].iter().any(|name| entry.file_name() == *name);
            is_ours && entry.metadata().is_ok_and(|found| found.is_file() && found.len() == 0)
        };
        if !entries.all(|entry| is_untouched(&entry)) {
            return Err(match folder.join(HEAD).exists() {
                true => RecordError::HoldsRecording(folder.to_owned()),
                false => RecordError::NotEmpty(folder.to_owned()),
            });
        }
        let create = |name: &str| Sink::create(folder.join(name), create_private);
        let (head, lanes, exports) = (create(HEAD)?, create(LANES)?, create(EXPORTS)?);
        let folder = Folder { path: folder.to_owned(), has_begun: false, head, lanes, exports };
        self.sinks().folder = Some(folder);
        self.has_folder = true;
        Ok(self)
    }

    /// Of which cases the plan has only a part, as in [`crate::plan::Planned::cut_cases`]: by that a replay can say which lines of a
    /// ratchet can go.
    pub fn with_cut_cases(self, cases: BTreeSet<String>) -> Recorder {
        Recorder { cut_cases: Some(cases), ..self }
    }

    /// Writes every span as OTLP JSON lines, which the file receiver of the OpenTelemetry Collector reads: a line is an
    /// `ExportTraceServiceRequest` with the spans of one export request; those with ids that are none have a line of their own.
    /// An existing file is overwritten.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn to_json_lines(mut self, file: &Path) -> Result<Recorder, RecordError> {
        let sink = Sink::create(file.to_owned(), |path| File::create(path))?;
        self.sinks().json_lines = Some(sink);
        self.has_json_lines = true;
        Ok(self)
    }

    /// The first thing that could not be written, if there is one. Call it when the run is over.
    ///
    /// # Errors
    /// See above; what was written before it can be read.
    pub fn finish(&self) -> Result<(), RecordError> {
        self.sinks().failed.take().map_or(Ok(()), Err)
    }

    /// Writes what the run is asked for. Comes first.
    pub(crate) fn begin(&self, plan: &Plan, options: &Options) {
        if !self.has_folder {
            return;
        }
        let written_by = env!("CARGO_PKG_VERSION").to_owned();
        let head = Head {
            version: Version { spanwise_recording: FORMAT, written_by },
            options: OptionsRecord::of(options),
            plan: PlanRecord::of(plan),
            cut_cases: self.cut_cases.clone(),
        };
        let head = line(&head);
        self.write(|sinks| match &mut sinks.folder {
            Some(folder) if folder.has_begun => Err(RecordError::HoldsRecording(folder.path.clone())),
            Some(folder) => {
                folder.has_begun = true;
                folder.head.write(&head?)
            }
            None => Ok(()),
        });
    }

    /// Makes what [`Recorder::lane`] writes of a lane.
    pub(crate) fn encode(&self, lane: &LaneEvidence) -> io::Result<Encoded> {
        let mut encoded = Encoded { lane: Vec::new(), exports: Vec::new(), json_lines: Vec::new() };
        if self.has_folder {
            let exports = write_recording(&lane.exports, 0, usize::MAX, &mut encoded.exports)?;
            encoded.lane = line(&Line::Lane(Box::new(LaneLine {
                suite: lane.suite.clone(),
                alone: lane.alone,
                again: lane.again,
                exports,
                past: lane.past.clone(),
                driven: lane.driven.clone(),
                taps: lane.taps.all(),
                logs: lane.logs.clone(),
                process: lane.process.clone(),
                hidden: lane.hidden.clone(),
                urls: lane.urls.clone(),
            })))?;
        }
        if self.has_json_lines {
            for one in lane.exports.recorded(0, usize::MAX) {
                // Whoever refuses a line for an id that is none shall lose no other span by it.
                let is_whole = |span: &Span| span.malformed_ids.is_empty();
                let (whole, broken): (Vec<Span>, Vec<Span>) =
                    one.decode().1.spans.into_iter().partition(is_whole);
                for spans in [whole, broken].iter().filter(|spans| !spans.is_empty()) {
                    encoded.json_lines.extend(write_otlp(spans).into_bytes());
                    encoded.json_lines.push(b'\n');
                }
            }
        }
        Ok(encoded)
    }

    /// Writes a lane, the requests that it exported first: a lane that can be read has them all.
    pub(crate) fn lane(&self, encoded: io::Result<Encoded>) {
        self.write(|sinks| {
            let Encoded { lane, exports, json_lines } = encoded?;
            if let Some(folder) = &mut sinks.folder {
                folder.exports.write(&exports)?;
                folder.lanes.write(&lane)?;
            }
            sinks.json_lines.as_mut().map_or(Ok(()), |sink| sink.write(&json_lines))
        });
    }

    /// Writes an event, if it is one of those that a replay cannot make by itself.
    pub(crate) fn event(&self, event: &RunEvent) {
        let line = match event {
            RunEvent::ServiceReady { .. }
            | RunEvent::ServiceFailed { .. }
            | RunEvent::StubUnmatched { .. } => line(&Line::Event(event.clone())),
            RunEvent::Ended { duration_ms, .. } => line(&Line::Ended { duration_ms: *duration_ms }),
            RunEvent::Started { .. }
            | RunEvent::Building { .. }
            | RunEvent::Observed { .. }
            | RunEvent::Found { .. }
            | RunEvent::InRound(_)
            | RunEvent::Finished(_) => return,
        };
        self.write(|sinks| sinks.folder.as_mut().map_or(Ok(()), |folder| folder.lanes.write(&line?)));
    }

    fn write(&self, write: impl FnOnce(&mut Sinks) -> Result<(), RecordError>) {
        let mut sinks = self.sinks();
        if sinks.failed.is_none() {
            sinks.failed = write(&mut sinks).err();
        }
    }

    /// A panic while something was written leaves a line cut at worst, which a reader can stand.
    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    fn create(path: PathBuf, create: impl FnOnce(&Path) -> io::Result<File>) -> Result<Sink, RecordError> {
        match create(&path) {
            Ok(file) => Ok(Sink { path, file: BufWriter::new(file) }),
            Err(source) => Err(RecordError::Io { path, source }),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RecordError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.flush());
        written.map_err(unwritable(&self.path))
    }
}

impl From<io::Error> for RecordError {
    /// Of what could not be encoded, before there was a file to write it to.
    fn from(source: io::Error) -> RecordError {
        RecordError::Io { path: PathBuf::from("the recording"), source }
    }
}

fn line(value: &impl serde::Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

fn unwritable(path: &Path) -> impl Fn(io::Error) -> RecordError {
    // The system's words for a file where a folder should be are about the folder's making.
    let path = path.to_owned();
    move |source| {
        let source = match source.kind() {
            ErrorKind::AlreadyExists => {
                io::Error::new(ErrorKind::NotADirectory, "it is a file, and no folder")
            }
            _ => source,
        };
        RecordError::Io { path: path.clone(), source }
    }
}
