//! The block `resource:`: what processes say of themselves.

use std::collections::HashMap;
use std::sync::Arc;

use crate::notation::error::NotationError;
use crate::notation::implied::implied_resource;
use crate::notation::line::{Item, Line, Place};
use crate::notation::value::read_value;
use crate::{Resource, Scope};

use super::labels::Labels;
use super::names::is_name;
use super::words::read_source;

/// The resources of services and the named ones (`R1`).
#[derive(Debug, Default)]
pub(super) struct Resources {
    services: HashMap<String, (Resource, Arc<Scope>)>,
    named: HashMap<String, Arc<Resource>>,
    /// Those that no line describes, made when they are first asked for.
    scopeless: Arc<Scope>,
}

impl Resources {
    /// Reads one line: `api-service scope="…" telemetry.sdk.language="rust" !service.name`.
    pub(super) fn read(&mut self, line: &mut Line<'_>) -> Result<(), NotationError> {
        line.place();
        let in_quotes = line.rest().starts_with('"');
        let name = read_source(line)?.map_or("?".to_owned(), |source| source.to_string());
        let mut labels = Labels::default();
        let mut scope = Scope::default();
        loop {
            let place = line.place();
            match line.item()? {
                None => break,
                Some(Item::Absent(key)) => labels.absent.push(key),
                Some(Item::Key(key, false)) if key == "scope" => scope.name = line.quoted()?,
                Some(Item::Key(key, false)) if key == "scope.version" => scope.version = line.quoted()?,
                Some(Item::Key(key, false)) if key == "scope.schema" => scope.schema_url = line.quoted()?,
                Some(Item::Key(key, _)) => labels.written.push((key, read_value(line)?)),
                Some(_) => return Err(place.expected("an attribute key=value, or `!key`", "")),
            }
        }
        if !in_quotes && is_name(&name, "R") {
            self.named.insert(name, Arc::new(Resource { attributes: labels.complete(Vec::new()) }));
        } else {
            let implied = implied_resource(&name);
            let resource = Resource { attributes: labels.complete(implied) };
            self.services.insert(name, (resource, Arc::new(scope)));
        }
        Ok(())
    }

    /// The resource of a service.
    pub(super) fn of(&self, service: &str) -> Resource {
        let described = self.services.get(service).map(|(resource, _)| resource.clone());
        described.unwrap_or_else(|| Resource { attributes: implied_resource(service) })
    }

    /// The instrumentation scope of a service's spans.
    pub(super) fn scope_of(&self, service: &str) -> Arc<Scope> {
        Arc::clone(self.services.get(service).map_or(&self.scopeless, |(_, scope)| scope))
    }

    /// A named resource.
    pub(super) fn named(&self, name: &str, place: Place) -> Result<Arc<Resource>, NotationError> {
        let found = self.named.get(name).map(Arc::clone);
        found.ok_or_else(|| place.expected("a resource that the block `resource:` describes", name))
    }
}
