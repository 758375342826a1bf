//! JSON that is well formed, and that serde_json still does not read: half of a surrogate pair in a string, a number out
//! of range, nesting without end. Each costs the value it stands in, not what encloses it.
//!
//! `tree` comes here with what it could not read; everything else is read there, in one pass.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{Json, Object};

/// Lists and objects within each other beyond this depth are not read; serde_json's own bound.
const DEEPEST: usize = 128;

/// Reads one value; the only errors are those of the grammar.
pub(super) fn read(text: &str) -> serde_json::Result<Json<'_>> {
    let raw: &RawValue = serde_json::from_str(text)?;
    Ok(value(raw, 0))
}

fn value<'a>(raw: &'a RawValue, depth: usize) -> Json<'a> {
    let text = raw.get();
    let read = match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == DEEPEST => return Json::Broken("is nested too deep".to_owned()),
        Some(b'{') => serde_json::from_str(text).map(|Entries(entries)| {
            let entry =
                |(key, raw): (&'a RawValue, &'a RawValue)| (key_text(key.get()), value(raw, depth + 1));
            Json::Object(Object(entries.into_iter().map(entry).collect()))
        }),
        Some(b'[') => serde_json::from_str(text).map(|items: Vec<&RawValue>| {
            Json::List(items.into_iter().map(|raw| value(raw, depth + 1)).collect())
        }),
        Some(b'"') => string(text),
        _ => Json::strict(text),
    };
    read.unwrap_or_else(|error| Json::Broken(crate::lines::reason(&error)))
}

fn key_text(key: &str) -> Cow<'_, str> {
    match string(key) {
        Ok(Json::Text(text)) => text,
        Ok(Json::Mended(text)) => Cow::Owned(text),
        _ => Cow::Borrowed(""),
    }
}

fn string(text: &str) -> serde_json::Result<Json<'_>> {
    Json::strict(text).or_else(|_| mended(text).map(Json::Mended))
}

/// A string with U+FFFD for every half of a surrogate pair.
fn mended(text: &str) -> serde_json::Result<String> {
    let Unpaired(mut bytes) = serde_json::from_str(text)?;
    // A half comes as the three bytes that UTF-8 would have for it, which no valid text holds.
    for at in 0..bytes.len().saturating_sub(2) {
        if bytes[at] == 0xed && bytes[at + 1] >= 0xa0 {
            bytes[at..at + 3].copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The keys and values of an object, unread.
struct Entries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// The bytes of a string, which serde_json gives without asking whether surrogates are paired.
struct Unpaired(Vec<u8>);

impl<'de> Deserialize<'de> for Unpaired {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unpaired, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Unpaired;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Unpaired, E> {
                Ok(Unpaired(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
