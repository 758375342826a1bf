//! Names of traces and spans in a text (`T1`, `S1`, `P1`) and the ids they stand for while it is read.

use std::collections::HashMap;

use crate::notation::error::NotationError;
use crate::notation::ids::{span_id, trace_id};
use crate::notation::line::Place;
use crate::notation::text::unescape;
use crate::{SpanId, TraceId};

/// Provisional ids are those of numbers beyond any that an observation reaches.
const PROVISIONAL: u64 = 1 << 30;

/// The ids of names. They are provisional: once all is read, the observation gets its canonical ids.
#[derive(Debug, Default)]
pub(super) struct Names {
    traces: HashMap<String, TraceId>,
    spans: HashMap<String, SpanId>,
    defined: HashMap<String, ()>,
    mentioned: Vec<(String, Place)>,
    anonymous: u64,
}

impl Names {
    /// The trace of `T1`, or no trace of `zero`.
    pub(super) fn trace(&mut self, name: &str, place: Place) -> Result<TraceId, NotationError> {
        if name == "zero" {
            return Ok(TraceId::ZERO);
        }
        if !is_name(name, "T") {
            return Err(place.expected("a trace: `T1`, `T2`, … or `zero`", name));
        }
        let next = self.traces.len() as u64 + 1;
        Ok(*self.traces.entry(name.to_owned()).or_insert_with(|| trace_id(PROVISIONAL + next)))
    }

    /// The span that `id=S1` defines.
    pub(super) fn define(&mut self, name: &str, place: Place) -> Result<SpanId, NotationError> {
        if name == "zero" {
            return Ok(SpanId::ZERO);
        }
        if !is_name(name, "S") {
            return Err(place.expected("an id: `S1`, `S2`, … or `zero`", name));
        }
        self.defined.insert(name.to_owned(), ());
        Ok(self.id_of(name))
    }

    /// The span that `S1`, `P1`, `?P1` or `zero` names.
    pub(super) fn span(&mut self, name: &str, place: Place) -> Result<SpanId, NotationError> {
        if name == "zero" {
            return Ok(SpanId::ZERO);
        }
        let name = name.strip_prefix('?').filter(|name| name.starts_with('P')).unwrap_or(name);
        if is_name(name, "S") {
            self.mentioned.push((name.to_owned(), place));
        } else if !is_name(name, "P") {
            let expected =
                "a span: `S1` for the line with id=S1, `?P1` for one that never arrived, or `zero`";
            return Err(place.expected(expected, name));
        }
        Ok(self.id_of(name))
    }

    /// A span id of its own for a line without a name.
    pub(super) fn anonymous(&mut self) -> SpanId {
        self.anonymous += 1;
        span_id(2 * PROVISIONAL + self.anonymous)
    }

    /// An error where a name is used that no span line defines.
    pub(super) fn check(&self) -> Result<(), NotationError> {
        match self.mentioned.iter().find(|(name, _)| !self.defined.contains_key(name)) {
            Some((name, place)) => {
                Err(place.expected(format!("a name that a span line defines with id={name}"), name))
            }
            None => Ok(()),
        }
    }

    /// Fills names into a text: `{T1}`, `{S1}`, `{S1:d}`, `{S1:X}`; then its escapes, where it stood in quotes.
    pub(super) fn fill(&mut self, raw: &str, quoted: bool, place: Place) -> Result<String, NotationError> {
        let plain = |text: &str| if quoted { unescape(text) } else { text.replace("\\{", "{") };
        let mut filled = String::new();
        let mut rest = raw;
        let mut from = 0;
        while let Some(open) = rest[from..].find('{').map(|at| at + from) {
            let name = rest[open + 1..].split_once('}').map(|(name, _)| name).unwrap_or_default();
            let escaped = rest[..open].bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1;
            match if escaped { None } else { self.template(name, place) } {
                Some(text) => {
                    filled.push_str(&plain(&rest[..open]));
                    filled.push_str(&text?);
                    rest = &rest[open + name.len() + 2..];
                    from = 0;
                }
                None => from = open + 1,
            }
        }
        filled.push_str(&plain(rest));
        Ok(filled)
    }

    /// What `{…}` stands for, if it is a name.
    fn template(&mut self, template: &str, place: Place) -> Option<Result<String, NotationError>> {
        let (name, form) = template.split_once(':').unwrap_or((template, ""));
        if is_name(name, "T") && ["", "X"].contains(&form) {
            return Some(self.trace(name, place).map(|id| match form {
                "X" => id.to_string().to_uppercase(),
                _ => id.to_string(),
            }));
        }
        if (is_name(name, "S") || is_name(name, "P")) && ["", "X", "d"].contains(&form) {
            return Some(self.span(name, place).map(|id| match form {
                "X" => id.to_string().to_uppercase(),
                "d" => id.to_u64().to_string(),
                _ => id.to_string(),
            }));
        }
        None
    }

    /// The header value that a short form stands for: `T1/S1;o=1`, `T1-S1-01`.
    pub(super) fn short_form(&mut self, word: &str, place: Place) -> Option<Result<String, NotationError>> {
        let (separator, at) = word.find(['/', '-']).map(|at| (&word[at..=at], at))?;
        let (trace, rest) = (&word[..at], &word[at + 1..]);
        let span_end = rest.find([';', '-']).unwrap_or(rest.len());
        let (span, tail) = rest.split_at(span_end);
        if !is_name(trace, "T")
            || !(is_name(span.trim_start_matches('?'), "S") || is_name(span.trim_start_matches('?'), "P"))
        {
            return None;
        }
        if !(separator == "/" || tail.starts_with('-')) {
            return None;
        }
        let ids = self.trace(trace, place).and_then(|trace| Ok((trace, self.span(span, place)?)));
        Some(ids.map(|(trace, span)| match separator {
            "/" => format!("{trace}/{}{tail}", span.to_u64()),
            _ => format!("00-{trace}-{span}{tail}"),
        }))
    }

    fn id_of(&mut self, name: &str) -> SpanId {
        let next = self.spans.len() as u64 + 1;
        *self.spans.entry(name.to_owned()).or_insert_with(|| span_id(PROVISIONAL + next))
    }
}

/// Whether a word is a letter and digits behind it.
pub(in crate::notation) fn is_name(word: &str, letter: &str) -> bool {
    word.strip_prefix(letter).is_some_and(|digits| {
        !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit())
    })
}
