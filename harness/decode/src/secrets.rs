//! Takes secrets out of what was decoded, so that nothing behind this crate ever holds one.
//!
//! The payload's bytes stay as they came: damage and sizes are evidence. Whoever reads them reads through here.

use spanwise_model::{Defect, Resource, Span, Value, secret};

/// Replaces the secrets in every text of a span but those of what encloses it.
pub(crate) fn of_span(span: &mut Span) {
    text(&mut span.name);
    text(&mut span.status.message);
    text(&mut span.trace_state);
    attributes(&mut span.attributes);
    for event in &mut span.events {
        text(&mut event.name);
        attributes(&mut event.attributes);
    }
    span.links.iter_mut().for_each(|link| attributes(&mut link.attributes));
    span.malformed_ids.iter_mut().for_each(|id| text(&mut id.text));
}

/// Replaces the secrets in the attributes of a resource.
pub(crate) fn of_resource(resource: &mut Resource) {
    attributes(&mut resource.attributes);
}

/// Replaces the secrets in what is said of damage, which quotes what was found.
pub(crate) fn of_defects(defects: &mut [Defect]) {
    defects.iter_mut().for_each(|defect| text(&mut defect.detail));
}

fn attributes(attributes: &mut [(String, Value)]) {
    for (key, value) in attributes {
        labeled(key, value);
    }
}

fn labeled(key: &str, value: &mut Value) {
    match value {
        Value::Str(text) => keep(text, |text| secret::label(key, text)),
        Value::Array(items) => items.iter_mut().for_each(|item| labeled(key, item)),
        Value::Map(entries) => attributes(entries),
        _ => {}
    }
}

fn text(text: &mut String) {
    keep(text, secret::text);
}

fn keep(text: &mut String, kept: impl FnOnce(&str) -> std::borrow::Cow<'_, str>) {
    if let std::borrow::Cow::Owned(clean) = kept(text) {
        *text = clean;
    }
}
