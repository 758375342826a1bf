//! Trace context in headers: how a receiver that does it right reads `traceparent` and `X-Cloud-Trace-Context`.
//!
//! The run loop, the wire taps and the rules read headers with these functions; whether a header is *well formed*
//! beyond being readable is for the rules of the family `propagation` to say.

use serde::{Deserialize, Serialize};

use crate::{SpanId, TraceId};

/// A header format that carries trace context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContextFormat {
    /// `traceparent` (W3C Trace Context).
    Tracecontext,
    /// `X-Cloud-Trace-Context` (Google).
    GcpTrace,
}

impl ContextFormat {
    /// Every format, the one that wins first: a valid `traceparent` is followed, else a valid `X-Cloud-Trace-Context` (Cloud Trace,
    /// page "Trace context").
    pub const ALL: [ContextFormat; 2] = [ContextFormat::Tracecontext, ContextFormat::GcpTrace];

    /// The lower-case name of the header or metadata key.
    pub fn header(self) -> &'static str {
        match self {
            ContextFormat::Tracecontext => "traceparent",
            ContextFormat::GcpTrace => "x-cloud-trace-context",
        }
    }

    /// The name in `OTEL_PROPAGATORS`.
    pub fn as_str(self) -> &'static str {
        match self {
            ContextFormat::Tracecontext => "tracecontext",
            ContextFormat::GcpTrace => "gcp_trace",
        }
    }

    /// Reads a header value of this format.
    pub fn parse(self, value: &str) -> Result<TraceContext, ContextError> {
        match self {
            ContextFormat::Tracecontext => parse_traceparent(value),
            ContextFormat::GcpTrace => parse_cloud_trace_context(value),
        }
    }

    /// Writes a header value of this format; an unknown sampling decision writes no option, or flag 00.
    pub fn print(self, context: &TraceContext) -> String {
        let TraceContext { trace_id, span_id, sampled } = context;
        match self {
            ContextFormat::Tracecontext => {
                format!("00-{trace_id}-{span_id}-{:02x}", u8::from(*sampled == Some(true)))
            }
            ContextFormat::GcpTrace => {
                let option = sampled.map(|sampled| format!(";o={}", u8::from(sampled)));
                format!("{trace_id}/{}{}", span_id.to_u64(), option.unwrap_or_default())
            }
        }
    }
}

/// A remote parent, as a header carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TraceContext {
    /// The trace to continue; never all zero.
    pub trace_id: TraceId,
    /// The span to hang below; never all zero.
    pub span_id: SpanId,
    /// The caller's sampling decision; `None` where the header carries none (no `;o=`), which receivers
    /// treat as not sampled.
    pub sampled: Option<bool>,
}

/// Why a header value carries no context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The parts are not where the grammar has them.
    #[error("does not have the parts of the format")]
    Form,
    /// Version ff, or version 00 with more or less than its four fields.
    #[error("version forbidden by the format")]
    Version,
    /// Not 32 hexadecimal digits, or all zero.
    #[error("trace id is not 32 hexadecimal digits, or all zero")]
    Trace,
    /// No span id, or all zero.
    #[error("span id is unreadable or zero")]
    Span,
    /// Flags or option unreadable.
    #[error("sampling flags are unreadable")]
    Flags,
}

/// Reads `traceparent` (W3C Trace Context level 2, section 3.2): lower-case digits, any version but ff,
/// version 00 of exactly 55 characters, higher versions with more behind a `-`.
pub fn parse_traceparent(value: &str) -> Result<TraceContext, ContextError> {
    let bytes = value.as_bytes();
    if bytes.len() < 55 || [2, 35, 52].iter().any(|&at| bytes[at] != b'-') {
        return Err(ContextError::Form);
    }
    let lower_hex = |text: &&str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let part = |from: usize, to: usize| value.get(from..to).filter(lower_hex).ok_or(ContextError::Form);
    let version = part(0, 2)?;
    let rest_is_legal = match version {
        "ff" => false,
        "00" => bytes.len() == 55,
        _ => bytes.len() == 55 || bytes[55] == b'-',
    };
    if !rest_is_legal {
        return Err(ContextError::Version);
    }
    let trace_id: TraceId = part(3, 35)?.parse().map_err(|_| ContextError::Trace)?;
    let span_id: SpanId = part(36, 52)?.parse().map_err(|_| ContextError::Span)?;
    let flags = u8::from_str_radix(part(53, 55)?, 16).map_err(|_| ContextError::Flags)?;
    valid(TraceContext { trace_id, span_id, sampled: Some(flags & 1 == 1) })
}

/// Reads `X-Cloud-Trace-Context: TRACE_ID/SPAN_ID;o=OPTIONS` (Cloud Trace, page "Trace context").
///
/// The span id is an unsigned 64-bit number in decimal of at most 20 digits; hexadecimal digits of the trace id are
/// read in either case; of the option's decimal number, bit 0 is the sampling decision.
pub fn parse_cloud_trace_context(value: &str) -> Result<TraceContext, ContextError> {
    let (trace, rest) = value.split_once('/').ok_or(ContextError::Form)?;
    let (span, option) = match rest.split_once(";o=") {
        Some((span, option)) => (span, Some(option)),
        None => (rest, None),
    };
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(span, 20) {
        return Err(ContextError::Span);
    }
    let sampled = match option {
        None => None,
        Some(option) if digits(option, 20) => Some(option.ends_with(['1', '3', '5', '7', '9'])),
        Some(_) => return Err(ContextError::Flags),
    };
    let trace_id: TraceId = trace.parse().map_err(|_| ContextError::Trace)?;
    let span_id = SpanId::from_u64(span.parse().map_err(|_| ContextError::Span)?);
    valid(TraceContext { trace_id, span_id, sampled })
}

fn valid(context: TraceContext) -> Result<TraceContext, ContextError> {
    if !context.trace_id.is_valid() {
        Err(ContextError::Trace)
    } else if !context.span_id.is_valid() {
        Err(ContextError::Span)
    } else {
        Ok(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "d36a105d7002f0dee73c0dfb9553764a";

    #[track_caller]
    fn check(format: ContextFormat, value: &str, expected: Option<(u64, Option<bool>)>) {
        let value = value.replace('T', T);
        let read = format.parse(&value).ok().map(|c| (c.span_id.to_u64(), c.sampled));
        assert_eq!(read, expected, "{value}");
    }

    #[test]
    fn cloud_trace_context_is_read_as_the_reference_has_it() {
        let check = |value, expected| check(ContextFormat::GcpTrace, value, expected);
        check("T/139592093;o=1", Some((139592093, Some(true))));
        check("T/139592093;o=0", Some((139592093, Some(false))));
        check("T/139592093", Some((139592093, None)));
        check("T", None);
        check("T/;o=1", None);
        check("T/0;o=1", None);
        check("T/00;o=1", None);
        check("T/18446744073709551615;o=1", Some((u64::MAX, Some(true))));
        check("T/18446744073709551616;o=1", None);
        check("D36A105D7002F0DEE73C0DFB9553764A/1;o=1", Some((1, Some(true))));
        check("T/1;o=2", Some((1, Some(false))));
        check("T/1;o=3", Some((1, Some(true))));
        check("T/1;o=10", Some((1, Some(false))));
        check("T/1;o=256", Some((1, Some(false))));
        check("T/1;o=", None);
        check("T/1;o=x", None);
        check("T/1;o=1;foo", None);
        check(" T/1;o=1", None);
        check("T/+1;o=+1", None);
        check("T/00000000000000000001;o=1", Some((1, Some(true))));
        check("T/000000000000000000001;o=1", None);
        check("00000000000000000000000000000000/1;o=1", None);
        check("T/٣;o=1", None);
        check("T/1/o=1", None);
        check("T/1;O=1", None);
    }

    #[test]
    fn traceparent_is_read_as_the_recommendation_has_it() {
        let check = |value, expected| check(ContextFormat::Tracecontext, value, expected);
        check("00-T-00000000000000aa-01", Some((0xaa, Some(true))));
        check("00-T-00000000000000aa-00", Some((0xaa, Some(false))));
        check("00-T-00000000000000aa-03", Some((0xaa, Some(true))));
        check("00-T-00000000000000aa-01-x", None);
        check("01-T-00000000000000aa-01-x", Some((0xaa, Some(true))));
        check("01-T-00000000000000aa-01x", None);
        check("ff-T-00000000000000aa-01", None);
        check("00-T-0000000000000000-01", None);
        check("00-00000000000000000000000000000000-00000000000000aa-01", None);
        check("00-T-00000000000000AA-01", None);
        check("00-T-zz", None);
        check("", None);
        check("00-T-00000000000000é-01", None);
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let context = TraceContext {
            trace_id: T.parse().expect("an id"),
            span_id: SpanId::from_u64(12084647744699216188),
            sampled: Some(true),
        };
        for format in [ContextFormat::Tracecontext, ContextFormat::GcpTrace] {
            assert_eq!(format.parse(&format.print(&context)), Ok(context));
        }
        assert_eq!(context.span_id.to_string(), "a7b54b18ba85b13c");
    }
}
