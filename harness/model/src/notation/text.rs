//! Quoted text, and ids inside text: header values and log lines name traces and spans, in hexadecimal or decimal digits.
//!
//! A text is cut into [`Piece`]s, so that ids in it can be renamed with those of the spans and written as `{T1}`, `{S1}`,
//! `{S1:d}` (decimal) and `{S1:X}` (upper case).

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::{SpanId, TraceId};

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Trace(TraceId, Digits),
    Span(SpanId, Digits),
}

/// How an id is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    Lower,
    Upper,
    Decimal,
}

impl Piece {
    /// The text that the piece stands for.
    pub(super) fn raw(&self) -> String {
        match self {
            Piece::Literal(text) => text.clone(),
            Piece::Trace(id, Digits::Upper) => id.to_string().to_uppercase(),
            Piece::Trace(id, _) => id.to_string(),
            Piece::Span(id, Digits::Lower) => id.to_string(),
            Piece::Span(id, Digits::Upper) => id.to_string().to_uppercase(),
            Piece::Span(id, Digits::Decimal) => id.to_u64().to_string(),
        }
    }
}

/// Cuts a text at the ids in it: 32 and 16 hexadecimal digits of one case, and the decimal numbers of `known` span ids.
pub(super) fn pieces(text: &str, known: &HashSet<SpanId>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let taken = if run == 0 { first.len_utf8() } else { run };
        match id(&rest[..taken], known) {
            Some(piece) => {
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(piece);
            }
            None => literal.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

fn id(run: &str, known: &HashSet<SpanId>) -> Option<Piece> {
    if !(5..=32).contains(&run.len()) {
        return None;
    }
    let is_decimal = run.len() <= 20 && !run.starts_with('0') && run.bytes().all(|b| b.is_ascii_digit());
    let decimal = run.parse().ok().map(SpanId::from_u64).filter(|id| is_decimal && known.contains(id));
    if let Some(id) = decimal {
        return Some(Piece::Span(id, Digits::Decimal));
    }
    let digits =
        match (run.bytes().any(|b| b.is_ascii_lowercase()), run.bytes().any(|b| b.is_ascii_uppercase())) {
            (true, true) => return None,
            (false, true) => Digits::Upper,
            _ => Digits::Lower,
        };
    match run.len() {
        32 => run.parse().ok().filter(|id: &TraceId| id.is_valid()).map(|id| Piece::Trace(id, digits)),
        16 => run.parse().ok().filter(|id: &SpanId| id.is_valid()).map(|id| Piece::Span(id, digits)),
        _ => None,
    }
}

/// Writes a text in quotes.
pub(super) fn quote(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// Escapes quotes, backslashes and control characters.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(escaped, "\\u{{{:x}}}", c as u32);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// The text that escapes stand for; a backslash before anything else stands for itself.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            plain.push('\\');
            break;
        };
        rest = &rest[c.len_utf8()..];
        match c {
            'n' => plain.push('\n'),
            'r' => plain.push('\r'),
            't' => plain.push('\t'),
            '"' | '\\' | '{' => plain.push(c),
            'u' => {
                let code = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                let read = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                match code.and_then(|(digits, after)| Some((read(digits)?, after))) {
                    Some((c, after)) => {
                        plain.push(c);
                        rest = after;
                    }
                    None => plain.push_str("\\u"),
                }
            }
            c => {
                plain.push('\\');
                plain.push(c);
            }
        }
    }
    plain.push_str(rest);
    plain
}
