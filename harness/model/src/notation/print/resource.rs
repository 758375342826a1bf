//! The block `resource:`, and what spans say that differs from it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::notation::implied::implied_resource;
use crate::notation::text::quote;
use crate::{Protocol, Resource, Scope, Span, Value};

use super::span::{explicit, label, print_source};

/// The resource of every service as its first span has it, and those of other spans by number.
#[derive(Debug)]
pub(super) struct Resources<'a> {
    services: Vec<(&'a Span, String)>,
    by_service: HashMap<String, usize>,
    named: Vec<&'a Resource>,
}

impl<'a> Resources<'a> {
    pub(super) fn of(spans: &'a [Span]) -> Resources<'a> {
        let mut resources = Resources { services: Vec::new(), by_service: HashMap::new(), named: Vec::new() };
        for span in spans {
            let shown = span.shown_service();
            let at = resources.services.len();
            if !resources.by_service.contains_key(&shown) {
                resources.by_service.insert(shown.clone(), at);
                resources.services.push((span, shown));
            }
        }
        for span in spans {
            let base = resources.base(span);
            let needs_name = *span.resource != *base && named_difference(span, &base).is_none();
            if needs_name && !resources.named.contains(&&*span.resource) {
                resources.named.push(&span.resource);
            }
        }
        resources
    }

    /// The resource that a span has if its line says nothing.
    fn base(&self, span: &Span) -> Cow<'a, Resource> {
        if is_cloud_trace(span) {
            return Cow::Owned(Resource::default());
        }
        let shown = span.shown_service();
        let (first, _) = self.services[self.by_service[&shown]];
        if is_cloud_trace(first) {
            return Cow::Owned(Resource { attributes: implied_resource(&shown) });
        }
        Cow::Borrowed(&first.resource)
    }

    /// The fields that a span's line needs: another resource, another scope.
    pub(super) fn differences(&self, span: &Span, parts: &mut Vec<String>) {
        let base = self.base(span);
        if *span.resource != *base {
            match named_difference(span, &base) {
                Some(Some(name)) => parts.push(label("service.name", &name, false)),
                Some(None) => parts.push("!service.name".to_owned()),
                None => {
                    let number = self.named.iter().position(|named| **named == *span.resource);
                    parts.push(format!("resource=R{}", number.unwrap_or_default() + 1));
                }
            }
        }
        let (first, _) = self.services[self.by_service[&span.shown_service()]];
        let (base, scope) = (&first.scope, &span.scope);
        if Arc::ptr_eq(base, scope) {
            return;
        }
        for (key, base, value) in [
            ("scope", &base.name, &scope.name),
            ("scope.version", &base.version, &scope.version),
            ("scope.schema", &base.schema_url, &scope.schema_url),
        ] {
            if base != value {
                parts.push(format!("{key}={}", quote(value)));
            }
        }
    }

    /// The lines of the block.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (first, shown) in &self.services {
            let mut parts = scope_fields(&first.scope);
            if !is_cloud_trace(first) {
                parts.extend(explicit(&first.resource.attributes, implied_resource(shown), is_scope_key));
            }
            if !parts.is_empty() {
                let name = match (&first.source, shown.as_str()) {
                    (Some(source), _) => print_source(source),
                    (None, "?") => "?".to_owned(),
                    (None, name) => print_source(&crate::Source::new(name, 1)),
                };
                lines.push(format!("  {name} {}", parts.join(" ")));
            }
        }
        for (number, resource) in self.named.iter().enumerate() {
            let parts = explicit(&resource.attributes, Vec::new(), is_scope_key);
            lines.push(format!("  R{} {}", number + 1, parts.join(" ")).trim_end().to_owned());
        }
        lines
    }
}

fn is_cloud_trace(span: &Span) -> bool {
    span.protocol.is_some_and(Protocol::is_cloud_trace)
}

fn is_scope_key(key: &str) -> bool {
    key == "scope" || key.starts_with("scope.")
}

fn scope_fields(scope: &Scope) -> Vec<String> {
    let fields =
        [("scope", &scope.name), ("scope.version", &scope.version), ("scope.schema", &scope.schema_url)];
    let written = fields.into_iter().filter(|(_, value)| !value.is_empty());
    written.map(|(key, value)| format!("{key}={}", quote(value))).collect()
}

/// The service name of a span's resource that differs from another in nothing else. On a line of Cloud Trace, a service's
/// name is a label.
fn named_difference(span: &Span, base: &Resource) -> Option<Option<Value>> {
    let rest = |resource: &Resource| -> Vec<(String, Value)> {
        resource.attributes.iter().filter(|(key, _)| key != "service.name").cloned().collect()
    };
    let attributes = &span.resource.attributes;
    let mut names = attributes.iter().filter(|(key, _)| key == "service.name").map(|(_, value)| value);
    let (first, second) = (names.next(), names.next());
    let differs = second.is_none() && rest(base) == rest(&span.resource) && !is_cloud_trace(span);
    differs.then(|| first.cloned())
}
