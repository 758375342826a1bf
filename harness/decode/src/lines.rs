//! Captures: the lines of a file of JSON lines, each an OTLP `ExportTraceServiceRequest` or a Cloud Trace v2
//! `BatchWriteSpansRequest`. `spanwise check` reads its files with this.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use spanwise_model::{Defect, Export, ExportAnswer, Protocol, Span};

use crate::json::{Key, is_key};
use crate::{Message, decode_payload};

/// One line of a capture.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The request that it is; time, headers and source are unknown.
    pub export: Export,
    /// Its spans; source and export are for the caller to add.
    pub spans: Vec<Span>,
    /// What could not be read, likewise; places begin with the line.
    pub defects: Vec<Defect>,
}

/// A line that is no export request at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in bytes.
    pub column: usize,
    /// What is wrong, a lower-case fragment.
    pub reason: String,
}

impl LineError {
    /// What serde_json says of a line, behind what the line is not.
    pub fn of_json(line: usize, what: &str, error: &serde_json::Error) -> LineError {
        LineError { line, column: error.column().max(1), reason: format!("{what}: {}", reason(error)) }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.reason)
    }
}

impl std::error::Error for LineError {}

/// Reads one line of a capture, by its number in the file; or a whole file that is one request over many lines, as line 1.
///
/// A line that is JSON but for some bytes that are not UTF-8 is kept as far as these, and has a defect.
///
/// # Errors
/// Where it is no JSON, or JSON and none of the formats.
pub fn read_line(number: usize, json: &[u8]) -> Result<Line, LineError> {
    let within = |error: LineError| LineError { line: number - 1 + error.line, ..error };
    let (protocol, message) = detect(json).map_err(within)?;
    Ok(line(number, protocol, message, json))
}

fn line(number: usize, protocol: Protocol, message: Message, json: &[u8]) -> Line {
    let mut decoded = decode_payload(protocol, message, json);
    for defect in &mut decoded.defects {
        let gap = if defect.place.is_empty() { "" } else { " " };
        defect.place = format!("line {number}{gap}{}", defect.place);
    }
    let export = Export {
        source: None,
        protocol,
        time: 0,
        headers: Vec::new(),
        bytes: json.len() as u64,
        spans: decoded.spans.len() as u32,
        carries: Vec::new(),
        project: decoded.project,
        google: false,
        answer: ExportAnswer::Accepted,
        would_be_refused: None,
    };
    Line { export, spans: decoded.spans, defects: decoded.defects }
}

/// Which request a JSON text is. Besides the two batches, a single Cloud Trace v2 span is recognized. OTLP requests of other
/// signals, which collectors write between those of traces, count as requests that hold no span.
///
/// # Errors
/// Where it is no JSON, no object, or an object of another kind; the place is within the text. Bytes that are not UTF-8 are
/// no error: they are for the decoder to name.
fn detect(json: &[u8]) -> Result<(Protocol, Message), LineError> {
    let json = String::from_utf8_lossy(json);
    let keys: TopLevel = serde_json::from_str(&json).map_err(|error| LineError {
        line: error.line().max(1),
        column: error.column().max(1),
        reason: match error.classify() {
            serde_json::error::Category::Data => format!("{}, not an export request", reason(&error)),
            _ => format!("is not JSON: {}", reason(&error)),
        },
    })?;
    let has = |name| keys.0.iter().any(|key| is_key(key, name));
    let otlp = ["resource_spans", "resource_metrics", "resource_logs", "resource_profiles"];
    if otlp.into_iter().any(has) || keys.0.is_empty() {
        Ok((Protocol::OtlpHttpJson, Message::Batch))
    } else if has("spans") || (keys.0.len() == 1 && has("name")) {
        Ok((Protocol::CloudTraceRest, Message::Batch))
    } else if has("name") && has("span_id") && has("display_name") {
        Ok((Protocol::CloudTraceRest, Message::Span))
    } else {
        let found = keys.0.iter().take(3).map(|key| format!("{key:?}")).collect::<Vec<_>>().join(", ");
        Err(LineError {
            line: 1,
            column: 1,
            reason: format!(
                "is neither OTLP JSON (a key \"resourceSpans\") nor a Cloud Trace batch (a key \"spans\"); its keys are {found}"
            ),
        })
    }
}

/// The message of a JSON error without its place, which is said apart.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason).to_owned()
}

/// The keys of an object; reading them checks the whole text.
struct TopLevel(Vec<String>);

impl<'de> Deserialize<'de> for TopLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TopLevel, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = TopLevel;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<TopLevel, A::Error> {
                let mut keys = TopLevel(Vec::new());
                while let Some((Key(key), IgnoredAny)) = map.next_entry()? {
                    keys.0.push(key.into_owned());
                }
                Ok(keys)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
