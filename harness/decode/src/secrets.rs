//! Takes secrets out of what was decoded, so that nothing behind this crate ever holds one.
//!
//! The payload's bytes stay as they came: damage and sizes are evidence. Whoever reads them reads through here, and what is
//! written down of a payload that holds a secret is what came out of here (`cleaned`).

use std::borrow::Cow;

use spanwise_model::{Defect, Resource, Span, Value, secret};

/// Keys of labels are looked at from this length on: no secret that is known by its looks is shorter, and most keys are.
const SHORTEST_IN_KEY: usize = 24;

/// Replaces the secrets in every text of a span but those of what encloses it. True where there was one.
pub(crate) fn of_span(span: &mut Span) -> bool {
    let mut found = text(&mut span.name);
    found |= text(&mut span.status.message);
    found |= text(&mut span.trace_state);
    found |= attributes(&mut span.attributes);
    for event in &mut span.events {
        found |= text(&mut event.name) | attributes(&mut event.attributes);
    }
    for link in &mut span.links {
        found |= attributes(&mut link.attributes);
    }
    for id in &mut span.malformed_ids {
        found |= text(&mut id.text);
    }
    found
}

/// Replaces the secrets in the attributes of a resource. True where there was one.
pub(crate) fn of_resource(resource: &mut Resource) -> bool {
    attributes(&mut resource.attributes)
}

/// Replaces the secrets in what is said of damage, which quotes what was found. True where there was one.
pub(crate) fn of_defects(defects: &mut [Defect]) -> bool {
    let mut found = false;
    for defect in defects {
        found |= text(&mut defect.detail);
    }
    found
}

fn attributes(attributes: &mut [(String, Value)]) -> bool {
    let mut found = false;
    for (key, value) in attributes {
        found |= labeled(key, value);
        if key.len() >= SHORTEST_IN_KEY {
            found |= text(key);
        }
    }
    found
}

fn labeled(key: &str, value: &mut Value) -> bool {
    match value {
        Value::Str(text) => keep(text, |text| secret::label(key, text)),
        Value::Bytes(bytes) => {
            let clean = match secret::label(key, &String::from_utf8_lossy(bytes)) {
                Cow::Owned(clean) => clean.into_bytes(),
                Cow::Borrowed(_) => return false,
            };
            *bytes = clean;
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |found, item| found | labeled(key, item)),
        Value::Map(entries) => attributes(entries),
        _ => false,
    }
}

fn text(text: &mut String) -> bool {
    keep(text, secret::text)
}

fn keep(text: &mut String, kept: impl FnOnce(&str) -> Cow<'_, str>) -> bool {
    match kept(text) {
        Cow::Owned(clean) => *text = clean,
        Cow::Borrowed(_) => return false,
    }
    true
}
