//! Recordings of export requests: JSON lines, one for each request, payloads in base64. Secrets were replaced before.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spanwise_decode::{Decoded, LineError, Message, decode_payload};
use spanwise_model::{Export, ExportAnswer, Header, Protocol, Refusal, Source};

use crate::Store;
use crate::payload::{Payload, keeps_spans, unreadable_defect};

/// The format of the lines that are written and read here.
const FORMAT: u32 = 1;

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
    /// The project that the request names, in Cloud Trace v2 alone; over REST it stands in the path.
    #[serde(default)]
    pub project: Option<String>,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub time: u64,
    /// Spans in the payload, as far as it could be walked.
    pub spans: u32,
    /// Request headers, secrets replaced.
    pub headers: Vec<Header>,
    /// Whether it went to Google: see [`Export::google`].
    #[serde(default)]
    pub google: bool,
    /// What was answered.
    pub answer: ExportAnswer,
    /// Why Google's endpoint would have refused it.
    pub would_be_refused: Option<Refusal>,
    /// Why there is no payload, where the body could not be unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The payload, in base64 on the line; `None` where it was refused unread, or when the store was full.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: Option<Bytes>,
}

impl Recorded {
    fn of(payload: &Payload) -> Recorded {
        Recorded {
            recording: FORMAT,
            source: payload.senders.all.clone(),
            protocol: payload.protocol,
            single_span: payload.message == Message::Span,
            project: payload.project.clone(),
            time: payload.time,
            spans: payload.spans,
            headers: payload.headers.to_vec(),
            google: payload.google,
            answer: payload.answer.clone(),
            would_be_refused: payload.would_be_refused.clone(),
            unreadable: payload.unreadable.clone(),
            payload: payload.bytes.clone(),
        }
    }

    /// What the store held of the request: itself, and the spans and defects that were kept of it.
    pub fn decode(self) -> (Export, Decoded) {
        let message = if self.single_span { Message::Span } else { Message::Batch };
        let decode = |bytes: &Bytes| decode_payload(self.protocol, message, bytes);
        let mut decoded = self.payload.as_ref().map(decode).unwrap_or_default();
        let project = self.project.or(decoded.project.take());
        let refused = self.answer != ExportAnswer::Accepted;
        let carried = decoded.spans.iter().filter(|_| refused).map(|span| (span.trace_id, span.span_id));
        let export = Export {
            carries: carried.collect(),
            google: self.google,
            source: self.source.clone(),
            protocol: self.protocol,
            time: self.time,
            headers: self.headers,
            bytes: self.payload.as_ref().map_or(0, Bytes::len) as u64,
            spans: self.spans,
            project,
            answer: self.answer,
            would_be_refused: self.would_be_refused,
        };
        if !keeps_spans(&export.answer, &decoded.defects) {
            decoded = Decoded::default();
        }
        decoded.defects.extend(self.unreadable.map(unreadable_defect));
        decoded.spans.iter_mut().for_each(|span| span.source = self.source.clone());
        decoded.defects.iter_mut().for_each(|defect| defect.source = self.source.clone());
        (export, decoded)
    }
}

fn to_base64<S: Serializer>(payload: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    payload.as_ref().map(|bytes| STANDARD.encode(bytes)).serialize(serializer)
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    let bytes = text.map(|text| STANDARD.decode(text)).transpose();
    let bytes = bytes.map_err(|error| D::Error::custom(format!("the payload is not base64: {error}")))?;
    Ok(bytes.map(Bytes::from))
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

/// Whether a file is meant as a recording: whether its first line begins as those written here.
pub fn is_recording(first_line: &[u8]) -> bool {
    let object = first_line.trim_ascii_start().strip_prefix(b"{");
    object.is_some_and(|fields| fields.trim_ascii_start().starts_with(b"\"recording\""))
}

/// Reads one line of a recording back, by its number in the file.
///
/// # Errors
/// Where it is not of a recording, or of one in another format.
pub fn read_recorded(number: usize, line: &[u8]) -> Result<Recorded, LineError> {
    #[derive(Deserialize)]
    struct Format {
        recording: u32,
    }
    let failed = |error| LineError::of_json(number, "is not of a recording", &error);
    let Format { recording } = serde_json::from_slice(line).map_err(failed)?;
    if recording != FORMAT {
        let reason = format!(
            "is of recording format {recording}, and {FORMAT} is read here: take the version of spanwise that wrote it"
        );
        return Err(LineError { line: number, column: 1, reason });
    }
    serde_json::from_slice(line).map_err(failed)
}
