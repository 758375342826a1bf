//! Words that stand on lines of several kinds: services, kinds, codes, protocols, numbers, names of spans.

use crate::notation::error::NotationError;
use crate::notation::implied::Code;
use crate::notation::line::{Line, Place};
use crate::{Protocol, Source, SpanId, SpanKind, StatusCode, TraceId};

use super::names::Names;

/// A service, with `#2` behind it for a second instance; `None` for `?`.
pub(super) fn read_source(line: &mut Line<'_>) -> Result<Option<Source>, NotationError> {
    if line.rest().starts_with('"') {
        let service = line.quoted()?;
        let instance = if line.take("#") { instance(&line.plain(":")) } else { Some(1) };
        return match instance {
            Some(instance) => Ok(Some(Source::new(&service, instance))),
            None => Err(line.expected("the number of an instance")),
        };
    }
    let place = line.place();
    let word = line.plain(":=\"");
    if word == "?" {
        return Ok(None);
    }
    let (service, number) = word.split_once('#').unwrap_or((&word, "1"));
    match instance(number) {
        Some(instance) if !service.is_empty() => Ok(Some(Source::new(service, instance))),
        _ => {
            Err(place.expected("a service: `api-service`, or `api-service#2` for its second instance", &word))
        }
    }
}

fn instance(number: &str) -> Option<u32> {
    number.parse().ok()
}

/// `T1/S1`, with names or `zero`.
pub(super) fn names_of(
    word: &str,
    place: Place,
    names: &mut Names,
) -> Result<(TraceId, SpanId), NotationError> {
    match word.split_once('/') {
        Some((trace, span)) => Ok((names.trace(trace, place)?, names.span(span, place)?)),
        None => Err(place.expected("a trace and a span: `T1/S1`, or `T1/P1` where it never arrived", word)),
    }
}

/// A code as it stands on span and wire lines.
pub(super) fn read_code(word: &str) -> Option<Code> {
    if word.len() == 3 && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.parse().ok().filter(|status| *status >= 100).map(Code::Http);
    }
    word.parse().ok().map(Code::Grpc)
}

/// A number where the line stands.
pub(super) fn number<T: std::str::FromStr>(line: &mut Line<'_>) -> Result<T, NotationError> {
    let at = line.place();
    let word = line.word();
    word.parse().map_err(|_| at.expected("a number", &word))
}

/// The position of an export request, written from 1.
pub(super) fn read_position(word: &str, at: Place) -> Result<usize, NotationError> {
    let position: Option<usize> = word.parse().ok();
    position
        .and_then(|position| position.checked_sub(1))
        .ok_or_else(|| at.expected("the number of an export request, from 1, or `none`", word))
}

/// A protocol by its name in reports.
pub(super) fn read_protocol(word: &str, at: Place) -> Result<Protocol, NotationError> {
    let all = [
        Protocol::OtlpGrpc,
        Protocol::OtlpHttp,
        Protocol::OtlpHttpJson,
        Protocol::CloudTraceGrpc,
        Protocol::CloudTraceRest,
    ];
    all.into_iter().find(|protocol| protocol.as_str() == word).ok_or_else(|| {
        at.expected(
            "`otlp-grpc`, `otlp-http`, `otlp-http-json`, `cloud-trace-grpc` or `cloud-trace-rest`",
            word,
        )
    })
}

/// A span kind by its name.
pub(super) fn kind(word: &str) -> Option<SpanKind> {
    use SpanKind::{Client, Consumer, Internal, Producer, Server, Unspecified};
    [Server, Client, Internal, Producer, Consumer, Unspecified].into_iter().find(|kind| kind.as_str() == word)
}

/// A span status by its name.
pub(super) fn status(word: &str) -> Option<StatusCode> {
    [StatusCode::Unset, StatusCode::Ok, StatusCode::Error].into_iter().find(|code| code.as_str() == word)
}
