//! Recordings of export requests: JSON lines, one for each request, payloads in base64.
//!
//! `spanwise collect --out` writes them, and so does the run loop for its own recordings. No secret is written: headers hold
//! placeholders already, and of a payload whose bytes hold a secret stands there what was decoded of it ([`Cleaned`]).

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use spanwise_decode::walk::{SpanPlace, walk};
use spanwise_decode::{Cleaned, Decoded, LineError, Message, Walk, cleaned, decode_payload};
use spanwise_model::{Export, ExportAnswer, Header, Protocol, Refusal, Source};

use crate::Store;
use crate::payload::{Body, Payload, keeps_spans, unreadable_defect};
use crate::senders::Senders;
use crate::store::Arrival;

/// The format of the lines that are written and read here.
const FORMAT: u32 = 1;

/// One recorded export request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// The format of the line; 1.
    pub recording: u32,
    /// The instance whose collector address was used, where known.
    pub source: Option<Source>,
    /// Who sent what stands in each scope of the payload, where several services share a listener and the payload is of more
    /// than one of them; empty where `source` says it of all.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub scope_sources: Box<[Option<Source>]>,
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
    /// The payload, in base64 on the line; `None` where it was refused unread, where the store was full, and where its bytes hold
    /// a secret.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: Option<Bytes>,
    /// What was decoded of a payload whose bytes hold a secret, in their place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleaned: Option<Cleaned>,
}

impl Recorded {
    pub(crate) fn of(payload: &Payload) -> Recorded {
        let (bytes, cleaned) = match &payload.body {
            Body::None => (None, None),
            Body::Cleaned(cleaned) => (None, Some(Cleaned::clone(cleaned))),
            Body::Bytes(bytes) => match cleaned(payload.protocol, payload.message, bytes) {
                Some(cleaned) => (None, Some(cleaned)),
                None => (Some(bytes.clone()), None),
            },
        };
        Recorded {
            recording: FORMAT,
            source: payload.senders.all.clone(),
            scope_sources: payload.senders.by_scope.clone(),
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
            payload: bytes,
            cleaned,
        }
    }

    /// Where its spans stand.
    fn walk(&self) -> Walk {
        match (&self.payload, &self.cleaned) {
            (Some(bytes), _) => walk(self.protocol, self.message(), bytes),
            (None, Some(cleaned)) => walk_of(cleaned),
            (None, None) => Walk::default(),
        }
    }

    fn message(&self) -> Message {
        if self.single_span { Message::Span } else { Message::Batch }
    }

    /// The request as it arrived, for a store to keep.
    pub(crate) fn arrival(self) -> Arrival {
        let (message, mut walk) = (self.message(), self.walk());
        walk.project = self.project.or(walk.project);
        let body = match (self.payload, self.cleaned) {
            (Some(bytes), _) => Body::Bytes(bytes),
            (None, Some(cleaned)) => Body::Cleaned(cleaned.into()),
            (None, None) => Body::None,
        };
        Arrival {
            senders: Senders { all: self.source, by_scope: self.scope_sources },
            protocol: self.protocol,
            message,
            time: self.time,
            headers: self.headers.into(),
            body,
            unreadable: self.unreadable,
            spans: self.spans,
            walk,
            google: self.google,
            answer: self.answer,
            would_be_refused: self.would_be_refused,
        }
    }

    /// What the store held of the request: itself, and the spans and defects that were kept of it.
    pub fn decode(self) -> (Export, Decoded) {
        let mut decoded = match (&self.payload, &self.cleaned) {
            (Some(bytes), _) => decode_payload(self.protocol, self.message(), bytes),
            (None, Some(cleaned)) => cleaned.decoded(),
            (None, None) => Decoded::default(),
        };
        let bytes = self.payload.as_ref().map(|bytes| bytes.len() as u64);
        let bytes = bytes.or(self.cleaned.as_ref().map(|cleaned| cleaned.bytes)).unwrap_or_default();
        let carries = match self.answer {
            ExportAnswer::Accepted => Vec::new(),
            ExportAnswer::Refused(_) => {
                self.walk().spans.iter().map(|span| (span.trace_id, span.span_id)).collect()
            }
        };
        let project = self.project.or(decoded.project.take());
        let export = Export {
            carries,
            google: self.google,
            source: self.source.clone(),
            protocol: self.protocol,
            time: self.time,
            headers: self.headers,
            bytes,
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

/// The places of spans that are known by their number.
fn walk_of(cleaned: &Cleaned) -> Walk {
    let place = |(at, span): (usize, &spanwise_decode::CleanedSpan)| SpanPlace {
        at: at as u32,
        len: 0,
        scope: span.scope,
        trace_id: span.trace_id,
        span_id: span.span_id,
    };
    Walk {
        spans: cleaned.spans.iter().enumerate().map(place).collect(),
        scopes: Vec::new(),
        project: cleaned.project.clone(),
        defects: cleaned.defects.clone(),
        damaged_spans: cleaned.damaged_spans,
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

/// Writes the requests behind the first `cursor` ones, but no more than so many; gives the cursor behind them.
///
/// # Errors
/// Those of the writer.
pub fn write_recording(store: &Store, cursor: usize, most: usize, out: &mut impl Write) -> io::Result<usize> {
    let recorded = store.recorded(cursor, most);
    for one in &recorded {
        serde_json::to_writer(&mut *out, one)?;
        out.write_all(b"\n")?;
    }
    Ok(cursor + recorded.len())
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
