//! Finds the spans in a JSON payload: what `walk.rs` does for protobuf.
//!
//! The text is read once, from front to end, so that spans in front of a syntax error are kept.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use spanwise_model::{DefectKind, Protocol};

use super::head;
use super::tree::{Key, is_key};
use crate::ids;
use crate::notes::defect;
use crate::walk::{Ids, Message, ScopePlace, SpanPlace, Walk};

/// Walks a payload that should be JSON; see [`crate::walk::walk`].
pub(crate) fn walk(protocol: Protocol, message: Message, payload: &[u8]) -> Walk {
    let (text, bad) = match std::str::from_utf8(payload) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = &payload[..error.valid_up_to()];
            (std::str::from_utf8(good).unwrap_or_default(), Some(error))
        }
    };
    let mut walk = walk_text(protocol, message, text);
    if let Some(error) = bad {
        // The cut that the reader stumbled over is the same damage.
        walk.defects.retain(|defect| !defect.place.starts_with("line "));
        let detail = format!("is not UTF-8 from byte {} on", error.valid_up_to());
        walk.defects.push(defect(DefectKind::Payload, String::new(), detail));
    }
    walk
}

/// Walks a JSON text.
pub(crate) fn walk_text(protocol: Protocol, message: Message, text: &str) -> Walk {
    let cloud_trace = protocol.is_cloud_trace();
    let mut walker = Walker { text, cloud_trace, walk: Walk::default(), resource: 0, scope: 0 };
    if cloud_trace {
        walker.walk.scopes.push(ScopePlace::default());
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = match message {
        Message::Batch => At(&mut walker, Level::Request).deserialize(&mut reader),
        Message::Span => {
            <&RawValue as serde::Deserialize>::deserialize(&mut reader).map(|raw| walker.span(raw))
        }
    };
    if let Err(error) = read.and_then(|()| reader.end()) {
        let place = format!("line {} column {}", error.line(), error.column());
        walker.walk.defects.push(defect(DefectKind::Payload, place, crate::lines::reason(&error)));
    }
    walker.walk
}

struct Walker<'a> {
    text: &'a str,
    cloud_trace: bool,
    walk: Walk,
    /// Index of the `resource_spans` and `scope_spans` being read.
    resource: u32,
    scope: u32,
}

/// Where in the nesting of a payload the reader stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Request,
    Resources,
    ResourceSpans,
    Scopes,
    ScopeSpans,
    Spans,
}

impl<'a> Walker<'a> {
    fn place(&self, part: &str) -> Range<u32> {
        let at = (part.as_ptr() as usize - self.text.as_ptr() as usize) as u32;
        at..at + part.len() as u32
    }

    /// Where a value stands; nowhere where it is null, which means that there is none.
    fn place_of(&self, raw: &RawValue) -> Range<u32> {
        if raw.get() == "null" { 0..0 } else { self.place(raw.get()) }
    }

    fn span(&mut self, raw: &'a RawValue) {
        let Ids { trace_id, span_id, whole } = if self.cloud_trace {
            let (ids, project) = head::cloud_trace(raw.get());
            self.walk.project = self.walk.project.take().or(project);
            ids
        } else {
            head::otlp(raw.get())
        };
        let Range { start: at, end } = self.place(raw.get());
        let scope = if self.cloud_trace { 0 } else { self.walk.scopes.len() as u32 };
        self.walk.damaged_spans += u32::from(!whole);
        self.walk.spans.push(SpanPlace { at, len: end - at, scope, trace_id, span_id });
    }

    fn path(&self, level: Level) -> String {
        match (level, self.cloud_trace) {
            (Level::Request, _) => String::new(),
            (Level::Resources, _) => "resource_spans".to_owned(),
            (Level::ResourceSpans, _) => format!("resource_spans[{}]", self.resource),
            (Level::Scopes, _) => format!("resource_spans[{}].scope_spans", self.resource),
            (Level::ScopeSpans, _) => {
                format!("resource_spans[{}].scope_spans[{}]", self.resource, self.scope)
            }
            (Level::Spans, false) => format!("{}.spans", self.path(Level::ScopeSpans)),
            (Level::Spans, true) => "spans".to_owned(),
        }
    }
}

/// Reads the value at one level of the nesting into the walker.
struct At<'w, 'a>(&'w mut Walker<'a>, Level);

impl<'a> DeserializeSeed<'a> for At<'_, 'a> {
    type Value = ();
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl At<'_, '_> {
    /// Notes a value of a type that cannot stand here. `null` can stand anywhere.
    fn found(self, what: &str) {
        let wanted = match self.1 {
            Level::Request | Level::ResourceSpans | Level::ScopeSpans => "an object",
            Level::Resources | Level::Scopes | Level::Spans => "a list",
        };
        let detail = format!("expected {wanted}, found {what}");
        self.0.walk.defects.push(defect(DefectKind::Payload, self.0.path(self.1), detail));
    }
}

impl<'a> Visitor<'a> for At<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export request")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.found("a boolean");
        Ok(())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.found("a number");
        Ok(())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.found("a number");
        Ok(())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.found("a number");
        Ok(())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.found("a string");
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<(), A::Error> {
        let At(walker, level) = self;
        match level {
            Level::Resources => {
                walker.resource = 0;
                while list.next_element_seed(At(walker, Level::ResourceSpans))?.is_some() {
                    walker.resource += 1;
                }
            }
            Level::Scopes => {
                walker.scope = 0;
                while list.next_element_seed(At(walker, Level::ScopeSpans))?.is_some() {
                    walker.scope += 1;
                }
            }
            Level::Spans => {
                while let Some(raw) = list.next_element::<&RawValue>()? {
                    walker.span(raw);
                }
            }
            Level::Request | Level::ResourceSpans | Level::ScopeSpans => {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                At(walker, level).found("a list");
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<(), A::Error> {
        let At(walker, level) = self;
        match level {
            Level::Request => request(walker, map),
            Level::ResourceSpans => resource_spans(walker, map),
            Level::ScopeSpans => scope_spans(walker, map),
            Level::Resources | Level::Scopes | Level::Spans => {
                let mut map = map;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                At(walker, level).found("an object");
                Ok(())
            }
        }
    }
}

fn request<'a, A: MapAccess<'a>>(walker: &mut Walker<'a>, mut map: A) -> Result<(), A::Error> {
    while let Some(Key(key)) = map.next_key()? {
        if walker.cloud_trace && key == "spans" {
            map.next_value_seed(At(walker, Level::Spans))?;
        } else if walker.cloud_trace && key == "name" {
            let name = head::text(map.next_value()?);
            walker.walk.project = ids::project(name.as_bytes()).or(walker.walk.project.take());
        } else if !walker.cloud_trace && is_key(&key, "resource_spans") {
            map.next_value_seed(At(walker, Level::Resources))?;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    Ok(())
}

fn resource_spans<'a, A: MapAccess<'a>>(walker: &mut Walker<'a>, map: A) -> Result<(), A::Error> {
    let first = walker.walk.scopes.len();
    let (mut resource, mut schema_url) = (0..0, 0..0);
    let mut read = |walker: &mut Walker<'a>, mut map: A| {
        while let Some(Key(key)) = map.next_key()? {
            if is_key(&key, "scope_spans") {
                map.next_value_seed(At(walker, Level::Scopes))?;
            } else if key == "resource" {
                resource = walker.place_of(map.next_value()?);
            } else if is_key(&key, "schema_url") {
                schema_url = walker.place_of(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    };
    let read = read(walker, map);
    for scope in &mut walker.walk.scopes[first..] {
        scope.resource = resource.clone();
        if scope.schema_url.is_empty() {
            scope.schema_url = schema_url.clone();
        }
    }
    read
}

fn scope_spans<'a, A: MapAccess<'a>>(walker: &mut Walker<'a>, map: A) -> Result<(), A::Error> {
    let mut place = ScopePlace {
        resource_index: walker.resource,
        scope_index: walker.scope,
        first_span: walker.walk.spans.len() as u32,
        ..ScopePlace::default()
    };
    let mut read = |walker: &mut Walker<'a>, mut map: A| {
        while let Some(Key(key)) = map.next_key()? {
            if key == "spans" {
                map.next_value_seed(At(walker, Level::Spans))?;
            } else if key == "scope" {
                place.scope = walker.place_of(map.next_value()?);
            } else if is_key(&key, "schema_url") {
                let url: &RawValue = map.next_value()?;
                if url.get() != "\"\"" {
                    place.schema_url = walker.place_of(url);
                }
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    };
    let read = read(walker, map);
    // Spans in front of damage refer to this scope, whatever became of the rest.
    walker.walk.scopes.push(place);
    read
}
