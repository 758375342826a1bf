//! The files of a capture, read line by line: a file may be larger than memory.
//!
//! [`super::places`] reads every line once to learn where the traces are, then those of some traces again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use spanwise_collect::{is_recording, read_recorded};
use spanwise_decode::{LineError, read_line};
use spanwise_model::{Defect, Export, Span};

/// A file of export requests.
pub struct CaptureFile {
    name: String,
    text: Box<dyn Text>,
}

/// Text that is read from anywhere, and more than once.
trait Text: BufRead + Seek {}

impl<T: BufRead + Seek> Text for T {}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct CaptureError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in bytes; 1 where it is not known.
    pub column: usize,
    /// What is wrong: a lower-case fragment.
    pub reason: String,
}

/// Where one export request stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    number: usize,
    at: u64,
    len: usize,
    is_recorded: bool,
}

/// One export request; [`Span::export`] is for the caller to add.
pub(super) struct Request {
    pub(super) export: Export,
    pub(super) spans: Vec<Span>,
    pub(super) defects: Vec<Defect>,
}

/// What some editors put in front of a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl CaptureFile {
    /// Opens a file. What cannot be read twice, such as a pipe, is read into memory.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(path: &Path) -> io::Result<CaptureFile> {
        let name = path.display().to_string();
        let mut file = File::open(path)?;
        if file.metadata()?.is_file() {
            return Ok(CaptureFile { name, text: Box::new(BufReader::new(file)) });
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        Ok(CaptureFile::held(name, text))
    }

    /// A file that is in memory, by its name.
    pub fn held(name: String, text: Vec<u8>) -> CaptureFile {
        CaptureFile { name, text: Box::new(Cursor::new(text)) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Reads every request once. Empty lines do not count, and a file that is one JSON object over many lines is one request.
    pub(super) fn each(&mut self, mut read: impl FnMut(Line, Request)) -> Result<(), CaptureError> {
        let (mut at, mut text, mut is_recorded, mut is_first) = (0, Vec::new(), false, true);
        for number in 1.. {
            text.clear();
            let len = self.text.read_until(b'\n', &mut text).map_err(|error| self.unread(number, &error))?;
            if len == 0 {
                break;
            }
            let mark =
                if number == 1 && text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            let json = text[mark..].strip_suffix(b"\n").unwrap_or(&text[mark..]);
            let begun = at + mark as u64;
            at += len as u64;
            if json.trim_ascii().is_empty() {
                continue;
            }
            if is_first {
                is_recorded = is_recording(json);
            }
            let line = Line { number, at: begun, len: json.len(), is_recorded };
            match request(line, json) {
                Ok(request) => read(line, request),
                Err(error) if is_first && !is_recorded => {
                    let whole = self.whole(begun).map_err(|error| self.unread(number, &error))?;
                    let line = Line { number: 1, len: whole.len(), ..line };
                    read(line, request(line, &whole).map_err(|_| self.error(error))?);
                    break;
                }
                Err(error) => return Err(self.error(error)),
            }
            is_first = false;
        }
        Ok(())
    }

    /// Reads one request again.
    pub(super) fn again(&mut self, line: Line) -> Result<Request, CaptureError> {
        let mut json = vec![0; line.len];
        let read = self.text.seek(SeekFrom::Start(line.at)).and_then(|_| self.text.read_exact(&mut json));
        read.map_err(|error| self.unread(line.number, &error))?;
        request(line, &json).map_err(|error| self.error(error))
    }

    fn whole(&mut self, from: u64) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.text.seek(SeekFrom::Start(from))?;
        self.text.read_to_end(&mut text)?;
        Ok(text)
    }

    fn error(&self, LineError { line, column, reason }: LineError) -> CaptureError {
        CaptureError { file: self.name.clone(), line, column, reason }
    }

    fn unread(&self, line: usize, error: &io::Error) -> CaptureError {
        self.error(LineError { line, column: 1, reason: format!("cannot be read: {error}") })
    }
}

fn request(line: Line, json: &[u8]) -> Result<Request, LineError> {
    if line.is_recorded {
        let (export, decoded) = read_recorded(line.number, json)?.decode();
        return Ok(Request { export, spans: decoded.spans, defects: decoded.defects });
    }
    let read = read_line(line.number, json)?;
    Ok(Request { export: read.export, spans: read.spans, defects: read.defects })
}
