//! Recordings of export requests: JSON lines, one for each request, payloads in base64. Secrets were replaced before.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use spanwise_decode::{Decoded, Message, decode_payload};
use spanwise_model::{ExportAnswer, Header, Protocol, Refusal, Source};

use crate::Store;
use crate::payload::Payload;

/// One recorded export request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The format of the line; 1.
    pub recording: u32,
    /// The instance whose collector address was used, where known.
    pub source: Option<Source>,
    /// The protocol.
    pub protocol: Protocol,
    /// Whether the payload is one Cloud Trace v2 span, as `CreateSpan` has it.
    #[serde(default)]
    pub single_span: bool,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Request headers, secrets replaced.
    pub headers: Vec<Header>,
    /// What was answered.
    pub answer: ExportAnswer,
    /// Why Google's endpoint would have refused it.
    pub would_be_refused: Option<Refusal>,
    /// The payload in base64.
    pub payload: String,
}

/// A line that is not of a recording.
#[derive(Debug, thiserror::Error)]
#[error("line {line} is not of a recording")]
pub struct RecordingError {
    /// Its number, from 1.
    pub line: usize,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Recorded {
    fn of(payload: &Payload) -> Recorded {
        Recorded {
            recording: 1,
            source: payload.source.clone(),
            protocol: payload.protocol,
            single_span: payload.message == Message::Span,
            time: payload.time,
            headers: payload.headers.to_vec(),
            answer: payload.answer.clone(),
            would_be_refused: payload.would_be_refused.clone(),
            payload: STANDARD.encode(&payload.bytes),
        }
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// When it is not base64.
    pub fn bytes(&self) -> Result<Vec<u8>, base64::DecodeError> {
        STANDARD.decode(&self.payload)
    }

    /// The payload's spans and defects.
    ///
    /// # Errors
    /// When it is not base64.
    pub fn decode(&self) -> Result<Decoded, base64::DecodeError> {
        let message = if self.single_span { Message::Span } else { Message::Batch };
        Ok(decode_payload(self.protocol, message, &self.bytes()?))
    }
}

/// Writes the requests behind the first `cursor` ones; gives how many there are now.
///
/// # Errors
/// Those of the writer.
pub fn write_recording(store: &Store, cursor: usize, out: &mut impl Write) -> io::Result<usize> {
    let payloads = store.payloads_since(cursor);
    for payload in &payloads {
        serde_json::to_writer(&mut *out, &Recorded::of(payload))?;
        out.write_all(b"\n")?;
    }
    Ok(cursor + payloads.len())
}

/// Reads a recording back.
///
/// # Errors
/// At the first line that is not of a recording.
pub fn read_recording(text: &str) -> Result<Vec<Recorded>, RecordingError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = |(at, line): (usize, &str)| {
        let failed = |source| RecordingError { line: at + 1, source };
        let recorded: Recorded = serde_json::from_str(line).map_err(|error| failed(error.into()))?;
        recorded.bytes().map_err(|error| failed(error.into()))?;
        Ok(recorded)
    };
    lines.map(read).collect()
}
