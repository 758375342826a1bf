//! Typed values: `"5"` is text, `5` an integer, `5.0` a double, `0x05` bytes, `[1, 2]`, `{"k": 1}`, `<port>` scrubbed.

use super::error::NotationError;
use super::line::Line;
use super::text::quote;
use crate::Value;

/// Lists inside lists deeper than this are refused, so that no text can exhaust the stack.
const DEEPEST: usize = 64;

/// Writes a value with its type visible.
pub fn print_value(value: &Value) -> String {
    match value {
        Value::Str(text) => quote(text),
        Value::Int(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Bytes(bytes) => bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}")),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(print_value).collect::<Vec<_>>().join(", "))
        }
        Value::Map(entries) => {
            let entry = |(key, value): &(String, Value)| format!("{}: {}", quote(key), print_value(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Scrubbed(what) if is_plain(what) => format!("<{what}>"),
        Value::Scrubbed(what) => format!("<{}>", quote(what)),
    }
}

fn is_plain(what: &str) -> bool {
    !what.is_empty() && what.chars().all(|c| c.is_ascii_alphanumeric() || "_-. ".contains(c))
}

/// Reads a value where the line stands.
pub(super) fn read_value(line: &mut Line<'_>) -> Result<Value, NotationError> {
    nested(line, 0)
}

fn nested(line: &mut Line<'_>, depth: usize) -> Result<Value, NotationError> {
    if depth > DEEPEST {
        return Err(line.expected("a value, with fewer lists inside lists"));
    }
    let rest = line.rest();
    if rest.starts_with('"') {
        return line.quoted().map(Value::Str);
    }
    if line.take("<") {
        let what = if line.rest().starts_with('"') {
            line.quoted()?
        } else {
            let name = line.rest().split('>').next().unwrap_or_default().to_owned();
            line.take(&name);
            name
        };
        return if line.take(">") { Ok(Value::Scrubbed(what)) } else { Err(line.expected("`>`")) };
    }
    if line.take("[") {
        let mut items = Vec::new();
        while !closes(line, "]", items.is_empty())? {
            items.push(nested(line, depth + 1)?);
        }
        return Ok(Value::Array(items));
    }
    if line.take("{") {
        let mut entries = Vec::new();
        while !closes(line, "}", entries.is_empty())? {
            let key = line.quoted()?;
            if !line.take(":") {
                return Err(line.expected("`:` and a value"));
            }
            line.place();
            entries.push((key, nested(line, depth + 1)?));
        }
        return Ok(Value::Map(entries));
    }
    let mut ahead = line.clone();
    let value = scalar(&ahead.plain(",]}"));
    match value {
        Some(value) => {
            *line = ahead;
            Ok(value)
        }
        None => Err(line.expected("a value: \"text\", 5, 5.0, true, 0x05, [1, 2], {\"k\": 1} or <scrubbed>")),
    }
}

/// Takes what stands between items: the closing bracket, or a comma before all items but the first.
fn closes(line: &mut Line<'_>, bracket: &str, first: bool) -> Result<bool, NotationError> {
    line.place();
    if line.take(bracket) {
        return Ok(true);
    }
    if !first && !line.take(",") {
        return Err(line.expected(format!("`,` or `{bracket}`")));
    }
    line.place();
    Ok(false)
}

fn scalar(word: &str) -> Option<Value> {
    if let Some(digits) = word.strip_prefix("0x") {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| match pair {
            [high, low] => {
                Some((char::from(*high).to_digit(16)? << 4 | char::from(*low).to_digit(16)?) as u8)
            }
            _ => None,
        };
        return pairs.map(byte).collect::<Option<Vec<u8>>>().map(Value::Bytes);
    }
    match word {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "NaN" | "inf" | "-inf" => word.parse().ok().map(Value::Double),
        _ if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
            word.parse().ok().map(Value::Int).or_else(|| word.parse().ok().map(Value::Double))
        }
        _ => None,
    }
}
