//! What every service under test finds in its environment: the effect of the axes `export`, `propagation` and `platform`, and
//! the run's certificate authority. A suite's own `env`, then the axis `env`, then a case's `services` win over it.
//!
//! `table` says what is set and why, `page` documents it.

mod page;
mod table;

use indexmap::IndexMap;
use spanwise_model::{ContextFormat, Platform};

use crate::axis::Choice;
use crate::template::{Piece, Template};
use table::{BATCH_DELAY, PROPAGATORS, Row, TABLE, Value, When};

pub use page::environment_page;

/// The environment of a service by variable, in the order in which it is set.
pub type Environment = IndexMap<String, Template>;

/// Whether Cloud Run sets a variable itself and refuses to deploy a service that does ("Configure environment variables").
pub(crate) fn is_reserved(name: &str) -> bool {
    name == "PORT" || TABLE.iter().any(|row| row.name == name && matches!(row.value, Value::Service(_)))
}

/// The environment before the suite adds to it; `deployed` is what the service is deployed with.
///
/// What is deployed gives way to the table, which points the service at this run and not at the world, and does what the axes
/// say. Only the batch delay is no more than a wish: that of the deployment is worth seeing.
pub(crate) fn environment(
    service: &str,
    choice: &Choice,
    project: Option<&str>,
    deployed: &[(String, String)],
    is_container: bool,
) -> Environment {
    let mut environment = Environment::new();
    let set = TABLE.iter().filter(|row| row.when.holds(choice, project, is_container));
    environment.extend(set.map(|row| (row.name.to_owned(), row.template(service, project))));
    if choice.platform == Platform::CloudRun {
        for (name, value) in deployed {
            // An exporter has more variables than the table: one for traces alone would send them to the world after all.
            let exporter = name.starts_with("OTEL_EXPORTER_");
            if name == BATCH_DELAY || !exporter && !environment.contains_key(name) {
                environment.insert(name.clone(), Template::text(value));
            }
        }
    }
    environment
}

/// Makes a virtual machine trust the run's authority, whatever options it is given besides: of two that contradict each other
/// the later one counts, and that is the suite's.
pub(crate) fn trust_in_java(environment: &mut Environment) {
    let rows = TABLE.iter().filter(|row| row.when == When::JavaTrustStore);
    for row in rows {
        let mut options = row.template("", None);
        if let Some(own) = environment.get(row.name) {
            options.pieces.push(Piece::Text(" ".to_owned()));
            options.pieces.extend(own.pieces.clone());
        }
        environment.insert(row.name.to_owned(), options);
    }
}

impl Row {
    fn template(&self, service: &str, project: Option<&str>) -> Template {
        match self.value {
            Value::Text(text) => Template::of_table(text),
            Value::Project => Template::text(project.unwrap_or_default()),
            Value::Service(behind) => Template::text(format!("{service}{behind}")),
        }
    }
}

/// What a service's final environment configures: its context formats, and whether it reads baggage.
///
/// Read from the variable and not from the axis, because a suite may set the variable for one service.
pub(crate) fn configured(environment: &Environment) -> (Vec<ContextFormat>, bool) {
    let value = environment.get(PROPAGATORS).and_then(Template::as_text).unwrap_or_default();
    let words: Vec<&str> = value.split(',').map(str::trim).collect();
    // Java calls Google's propagator otherwise.
    let is_listed = |format: &ContextFormat| {
        words.contains(&format.as_str()) || *format == ContextFormat::GcpTrace && words.contains(&"gcp")
    };
    (ContextFormat::ALL.into_iter().filter(is_listed).collect(), words.contains(&"baggage"))
}
