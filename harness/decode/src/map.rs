//! What every protocol maps alike: kinds, status codes, flags, message events.

use spanwise_model::{Event, SpanKind, Status, StatusCode, Value};

use crate::notes::Notes;

/// Keys with values in the order they were exported.
pub(crate) type Attributes = Vec<(String, Value)>;

/// The value of a key that was exported with none, which OTLP admits.
pub(crate) const EMPTY: Value = Value::Str(String::new());

/// Kinds by number, which are the same in OTLP and Cloud Trace v2.
const KINDS: [SpanKind; 6] = [
    SpanKind::Unspecified,
    SpanKind::Internal,
    SpanKind::Server,
    SpanKind::Client,
    SpanKind::Producer,
    SpanKind::Consumer,
];

/// A span kind by number.
pub(crate) fn kind(number: i64, field: &str, notes: &mut Notes) -> SpanKind {
    let kind = usize::try_from(number).ok().and_then(|at| KINDS.get(at)).copied();
    kind.unwrap_or_else(|| {
        notes.add(field, format!("{number} is no span kind"));
        SpanKind::Unspecified
    })
}

/// The number of a span kind by name: `SPAN_KIND_SERVER` or `SERVER`.
pub(crate) fn kind_number(name: &str) -> Option<i64> {
    let name = name.strip_prefix("SPAN_KIND_").unwrap_or(name);
    KINDS.iter().position(|kind| kind.as_str() == name).map(|at| at as i64)
}

/// An OTLP status code by number.
pub(crate) fn status_code(number: i64, field: &str, notes: &mut Notes) -> StatusCode {
    match number {
        0 => StatusCode::Unset,
        1 => StatusCode::Ok,
        2 => StatusCode::Error,
        _ => {
            notes.add(field, format!("{number} is no status code"));
            StatusCode::Unset
        }
    }
}

/// The number of an OTLP status code by name: `STATUS_CODE_ERROR` or `ERROR`.
pub(crate) fn status_number(name: &str) -> Option<i64> {
    let name = name.strip_prefix("STATUS_CODE_").unwrap_or(name);
    ["UNSET", "OK", "ERROR"].iter().position(|known| *known == name).map(|at| at as i64)
}

/// The status of a Cloud Trace v2 span, which is there only if something was said.
pub(crate) fn rpc_status(code: i32, message: String) -> Status {
    let status = if code == 0 { StatusCode::Ok } else { StatusCode::Error };
    Status { code: status, message, rpc_code: Some(code) }
}

/// OTLP span flags: bit 8 says that bit 9 says whether the parent is remote.
pub(crate) fn parent_is_remote(flags: u32) -> Option<bool> {
    (flags & 0x100 != 0).then_some(flags & 0x200 != 0)
}

/// The flags that say so; the others are not kept.
pub(crate) fn flags(parent_is_remote: Option<bool>) -> u32 {
    parent_is_remote.map_or(0, |is_remote| if is_remote { 0x300 } else { 0x100 })
}

/// A Cloud Trace v2 message event, as an event in the words of OpenTelemetry.
pub(crate) fn message_event(kind: &str, id: i64, uncompressed: i64, compressed: i64) -> Event {
    let mut attributes =
        vec![("message.type".to_owned(), Value::from(kind)), ("message.id".to_owned(), id.into())];
    for (key, size) in [("uncompressed", uncompressed), ("compressed", compressed)] {
        if size != 0 {
            attributes.push((format!("message.{key}_size"), size.into()));
        }
    }
    Event { name: "message".to_owned(), time: 0, attributes }
}

/// The types of Cloud Trace v2 message events, by number.
pub(crate) const MESSAGE_TYPES: [&str; 3] = ["TYPE_UNSPECIFIED", "SENT", "RECEIVED"];

/// Up to how many bytes Cloud Trace v2 keeps any name or value (googleapis, `google/devtools/cloudtrace/v2/trace.proto`).
pub(crate) const LEAST_NAME: usize = 128;
pub(crate) const LEAST_TEXT: usize = 256;

/// Notes a `truncated_byte_count` that cannot be: negative, or of a text that needed no cutting under any limit there is.
pub(crate) fn truncated(text: &str, count: i64, least_limit: usize, notes: &mut Notes) {
    let whole = text.len() as i64 + count.max(0);
    if count < 0 {
        notes.cut("truncated_byte_count", format!("says that {count} bytes were cut off"));
    } else if count > 0 && whole <= least_limit as i64 {
        let detail = format!(
            "says that {count} of {whole} bytes were cut off, which all fit into the limit of {least_limit}"
        );
        notes.cut("truncated_byte_count", detail);
    }
}

/// Nanoseconds since the epoch of a protobuf timestamp; 0, and noted, where it is before the epoch or after 2554.
pub(crate) fn nanos(seconds: i64, nanos: i64, field: &str, notes: &mut Notes) -> u64 {
    let time = u64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    let fraction = u64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match time.zip(fraction).and_then(|(time, fraction)| time.checked_add(fraction)) {
        Some(time) => time,
        None => {
            notes.add(field, format!("{seconds} s and {nanos} ns are no time a span can have"));
            0
        }
    }
}
