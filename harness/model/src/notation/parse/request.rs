//! What the driver sent: the fields of a driver's line, and the lines of the block `requests:`.

use crate::notation::error::NotationError;
use crate::notation::implied::Code;
use crate::notation::line::{Item, Line, Place};
use crate::{AnswerDifference, Request, RequestResult, Source, SpanId, TraceContext, TraceId};

use super::names::Names;
use super::words::{names_of, read_code, read_source};

/// The fields of a request as read; what is not written follows from the driver's span.
#[derive(Debug, Default)]
pub(super) struct RequestDraft {
    pub(super) left_out: bool,
    pub(super) to: Option<Source>,
    pub(super) sampled: Option<bool>,
    pub(super) context: Option<Option<TraceContext>>,
    pub(super) marker: Option<String>,
    pub(super) result: Option<RequestResult>,
    pub(super) expected: Option<RequestResult>,
    pub(super) differences: Vec<AnswerDifference>,
    pub(super) step: Option<String>,
}

impl RequestDraft {
    /// Reads a word without a value; `false` if it is none of a request.
    pub(super) fn word(&mut self, word: &str) -> bool {
        match word {
            "unsampled" => self.sampled = Some(false),
            "no-context" => self.context = Some(None),
            "no-request" => self.left_out = true,
            _ => return false,
        }
        true
    }

    /// Reads a field's value; `false` if the key is none of a request.
    pub(super) fn field(
        &mut self,
        key: &str,
        line: &mut Line<'_>,
        names: &mut Names,
    ) -> Result<bool, NotationError> {
        let place = line.place();
        match key {
            "to" => self.to = read_source(line)?,
            "context" => self.context = Some(Some(read_context(&line.word(), place, names)?)),
            "marker" => self.marker = Some(line.quoted()?),
            "result" => self.result = Some(read_result(line)?),
            "expected" => self.expected = Some(read_result(line)?),
            "differs" => self.differences.push(read_difference(line)?),
            "step" => self.step = Some(line.quoted()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The request, where its driver's span, its code and its receiver by default are known.
    pub(super) fn complete(
        self,
        (trace_id, span_id): (TraceId, SpanId),
        code: Option<Code>,
        to: Source,
    ) -> Request {
        let own = TraceContext { trace_id, span_id, sampled: Some(self.sampled.unwrap_or(true)) };
        Request {
            to: self.to.unwrap_or(to),
            trace_id,
            span_id,
            context: self.context.unwrap_or(Some(own)),
            marker: self.marker,
            result: self.result.unwrap_or_else(|| implied_result(code)),
            expected: self.expected,
            differences: self.differences,
            step: self.step,
        }
    }
}

/// The result that follows from the code of the driver's span.
pub(in crate::notation) fn implied_result(code: Option<Code>) -> RequestResult {
    match code {
        Some(Code::Http(status)) => RequestResult::Http(status),
        Some(Code::Grpc(code)) => RequestResult::Grpc(code),
        None => RequestResult::None("no answer".to_owned()),
    }
}

/// Reads a line of the block `requests:`: `T1/S1 to=api-service result=200`.
pub(super) fn read_request(
    line: &mut Line<'_>,
    names: &mut Names,
    to: Source,
) -> Result<Request, NotationError> {
    let place = line.place();
    let ids = names_of(&line.word(), place, names)?;
    let mut draft = RequestDraft::default();
    loop {
        let place = line.place();
        let known = match line.item()? {
            None => return Ok(draft.complete(ids, None, to)),
            Some(Item::Word(word)) => draft.word(&word),
            Some(Item::Key(key, _)) => draft.field(&key, line, names)?,
            _ => false,
        };
        if !known {
            return Err(place.expected(
                "`to=`, `context=`, `marker=`, `result=`, `expected=`, `differs=`, `step=`, `unsampled` or `no-context`",
                "",
            ));
        }
    }
}

/// `T1/S1;o=1`; without `;o=` nothing is said of sampling.
pub(super) fn read_context(
    word: &str,
    place: Place,
    names: &mut Names,
) -> Result<TraceContext, NotationError> {
    let (ids, sampled) = match word.split_once(";o=") {
        Some((ids, "1")) => (ids, Some(true)),
        Some((ids, "0")) => (ids, Some(false)),
        Some(_) => return Err(place.expected("`;o=1` or `;o=0`", word)),
        None => (word, None),
    };
    let (trace_id, span_id) = names_of(ids, place, names)?;
    Ok(TraceContext { trace_id, span_id, sampled })
}

/// `"the header x" "expected" "actual"`.
fn read_difference(line: &mut Line<'_>) -> Result<AnswerDifference, NotationError> {
    let part = line.quoted()?;
    line.place();
    let expected = line.quoted()?;
    line.place();
    Ok(AnswerDifference { part, expected, actual: line.quoted()? })
}

/// `200`, `200-broken`, `UNAVAILABLE`, `exit-1`, or why there was no answer, in quotes.
fn read_result(line: &mut Line<'_>) -> Result<RequestResult, NotationError> {
    if line.rest().starts_with('"') {
        return line.quoted().map(RequestResult::None);
    }
    let place = line.place();
    let word = line.word();
    if let Some(code) = word.strip_prefix("exit-").and_then(|code| code.parse().ok()) {
        return Ok(RequestResult::Exit(code));
    }
    let (code, broken) = match word.strip_suffix("-broken") {
        Some(code) => (code, true),
        None => (word.as_str(), false),
    };
    match (code.parse().ok(), read_code(code), broken) {
        (Some(status), _, true) => Ok(RequestResult::HttpBroken(status)),
        (Some(status), _, false) => Ok(RequestResult::Http(status)),
        (None, Some(Code::Grpc(code)), false) => Ok(RequestResult::Grpc(code)),
        _ => Err(place
            .expected("a result: `200`, `200-broken`, `UNAVAILABLE`, `exit-1` or \"why none came\"", &word)),
    }
}
