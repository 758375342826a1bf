//! A JSON value that keeps the order of keys, and lenient access to its parts.
//!
//! (serde_json's own `Value` sorts keys unless a feature of the whole build says otherwise; labels stand in a map in
//! Cloud Trace JSON, and their order is evidence.)

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::lenient;
use crate::notes::Notes;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Large(u64),
    Double(f64),
    Text(Cow<'a, str>),
    /// Text that held half of a surrogate pair, with U+FFFD in its place.
    Mended(String),
    /// What cannot be read, and why.
    Broken(String),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Whether a number in a form such as `1.5e18`, which Go writes for large ones, is an integer from `least` up to,
/// and not including, `end`.
fn is_integer(number: f64, least: f64, end: f64) -> bool {
    number.fract() == 0.0 && (least..end).contains(&number)
}

/// A JSON object, in the order it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object<'a>(pub(crate) Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    /// Reads one value; the only errors are those of the grammar. What is well formed and cannot be read is
    /// [`Json::Mended`] or [`Json::Broken`] where it stands.
    pub(crate) fn read(text: &'a str) -> serde_json::Result<Json<'a>> {
        Json::strict(text).or_else(|_| lenient::read(text))
    }

    /// Reads one value as serde_json does.
    pub(super) fn strict(text: &'a str) -> serde_json::Result<Json<'a>> {
        serde_json::from_str(text)
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Int(_) | Json::Large(_) | Json::Double(_) => "a number",
            Json::Text(_) | Json::Mended(_) => "a string",
            Json::Broken(_) => "what cannot be read",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    fn wanted<T>(&self, what: &str, notes: &mut Notes) -> Option<T> {
        match self {
            Json::Broken(reason) => notes.add("", reason.as_str()),
            other => notes.add("", format!("expected {what}, found {}", other.type_name())),
        }
        None
    }

    pub(crate) fn text(&self, notes: &mut Notes) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            Json::Mended(text) => {
                notes.add("", "holds half of a surrogate pair, which is no character");
                Some(text)
            }
            other => other.wanted("a string", notes),
        }
    }

    pub(crate) fn bool(&self, notes: &mut Notes) -> Option<bool> {
        match self {
            Json::Bool(truth) => Some(*truth),
            Json::Text(text) if text == "true" => Some(true),
            Json::Text(text) if text == "false" => Some(false),
            other => other.wanted("a boolean", notes),
        }
    }

    /// A signed integer of up to 64 bits, as a number or in a string.
    pub(crate) fn int(&self, notes: &mut Notes) -> Option<i64> {
        match self {
            Json::Int(number) => Some(*number),
            Json::Double(number) if is_integer(*number, -TWO_TO_63, TWO_TO_63) => Some(*number as i64),
            Json::Text(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => self.unreadable(text, "a 64-bit integer", notes),
            },
            Json::Large(number) => self.unreadable(&number.to_string(), "a 64-bit integer", notes),
            Json::Double(number) => self.unreadable(&number.to_string(), "a 64-bit integer", notes),
            other => other.wanted("an integer", notes),
        }
    }

    /// An unsigned integer of up to 64 bits, as a number or in a string.
    pub(crate) fn unsigned(&self, notes: &mut Notes) -> Option<u64> {
        match self {
            Json::Large(number) => Some(*number),
            Json::Double(number) if is_integer(*number, 0.0, 2.0 * TWO_TO_63) => Some(*number as u64),
            Json::Text(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => self.unreadable(text, "an unsigned 64-bit integer", notes),
            },
            other => match other.int(notes) {
                Some(number) => match u64::try_from(number) {
                    Ok(number) => Some(number),
                    Err(_) => self.unreadable(&number.to_string(), "an unsigned 64-bit integer", notes),
                },
                None => None,
            },
        }
    }

    /// A floating-point number; `NaN`, `Infinity` and `-Infinity` stand in strings.
    pub(crate) fn double(&self, notes: &mut Notes) -> Option<f64> {
        match self {
            Json::Double(number) => Some(*number),
            Json::Int(number) => Some(*number as f64),
            Json::Large(number) => Some(*number as f64),
            Json::Text(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => self.unreadable(text, "a number", notes),
            },
            other => other.wanted("a number", notes),
        }
    }

    /// An enumeration's value, as a number or by name.
    pub(crate) fn enumeration(&self, names: fn(&str) -> Option<i64>, notes: &mut Notes) -> Option<i64> {
        match self {
            Json::Text(text) => match names(text).or_else(|| text.parse().ok()) {
                Some(number) => Some(number),
                None => self.unreadable(text, "a known name", notes),
            },
            other => other.int(notes),
        }
    }

    pub(crate) fn object(&self, notes: &mut Notes) -> Option<&Object<'a>> {
        match self {
            Json::Object(object) => Some(object),
            other => other.wanted("an object", notes),
        }
    }

    fn unreadable<T>(&self, text: &str, what: &str, notes: &mut Notes) -> Option<T> {
        notes.add("", format!("{text:?} is not {what}"));
        None
    }
}

impl<'a> Object<'a> {
    /// Reads a field, named in snake_case, where it is there and not null; the last one wins.
    /// What is noted within gets the field's name in front.
    pub(crate) fn field<'s, T>(
        &'s self,
        name: &'static str,
        notes: &mut Notes,
        read: impl FnOnce(&'s Json<'a>, &mut Notes) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        notes.within(|| name.to_owned(), |notes| read(value, notes))
    }

    /// A text field, empty where it is not there.
    pub(crate) fn text(&self, name: &'static str, notes: &mut Notes) -> String {
        self.field(name, notes, |json, notes| json.text(notes).map(str::to_owned)).unwrap_or_default()
    }

    /// A count, 0 where it is not there or negative.
    pub(crate) fn count(&self, name: &'static str, notes: &mut Notes) -> u32 {
        let count = self.field(name, notes, Json::int).unwrap_or(0);
        u32::try_from(count).unwrap_or(0)
    }

    /// Reads every item of a list.
    pub(crate) fn items<'s, T>(
        &'s self,
        name: &'static str,
        notes: &mut Notes,
        mut read: impl FnMut(&'s Json<'a>, &mut Notes) -> Option<T>,
    ) -> Vec<T> {
        let items = match self.get(name) {
            None => return Vec::new(),
            Some(Json::List(items)) => items,
            Some(other) => {
                notes.within(|| name.to_owned(), |notes| other.wanted::<()>("a list", notes));
                return Vec::new();
            }
        };
        let indexed = items.iter().enumerate();
        indexed
            .filter_map(|(at, item)| notes.within(|| format!("{name}[{at}]"), |notes| read(item, notes)))
            .collect()
    }

    fn get(&self, name: &str) -> Option<&Json<'a>> {
        let field = self.0.iter().rev().find(|(key, _)| is_key(key, name));
        field.map(|(_, value)| value).filter(|value| **value != Json::Null)
    }
}

/// Whether a key is a name in snake_case, or the same name in lowerCamelCase.
pub(crate) fn is_key(key: &str, name: &str) -> bool {
    key == name || is_camel(key, name)
}

fn is_camel(key: &str, name: &str) -> bool {
    let mut key = key.bytes();
    let mut upper = false;
    for byte in name.bytes() {
        if byte == b'_' {
            upper = true;
            continue;
        }
        let expected = if upper { byte.to_ascii_uppercase() } else { byte };
        upper = false;
        if key.next() != Some(expected) {
            return false;
        }
    }
    key.next().is_none()
}

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E: Error>(self, truth: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(truth))
    }
    fn visit_i64<E: Error>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Int(number))
    }
    fn visit_u64<E: Error>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(i64::try_from(number).map_or(Json::Large(number), Json::Int))
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Json::Double(number))
    }
    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut object = Object::default();
        while let Some((key, value)) = map.next_entry::<Key<'de>, _>()? {
            object.0.push((key.0, value));
        }
        Ok(Json::Object(object))
    }
}

/// A key, borrowed where it holds no escapes (serde's own `Cow` always copies).
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}
