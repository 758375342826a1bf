//! The semantic conventions as data: the labels there are, their types, their successors, and which of them a span must
//! have.
//!
//! Rules of the family `labels` read these tables. The names of one concept over all generations are in
//! [`crate::semconv`]. Source: the registry and the span pages of the OpenTelemetry semantic conventions.

mod labels;
mod protocol;
mod required;

pub use labels::LABELS;
pub use protocol::{METHODS, is_grpc_method, protocol};
pub use required::{REQUIRED, Requirement, When, is_due, unmet, was_answered};

use spanwise_model::{SpanKind, Value};

/// The version of the semantic conventions that the tables hold.
pub const SCHEMA: &str = "1.42";

/// A label of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its key; of a template (`http.request.header`) what stands before the last dot.
    pub key: &'static str,
    /// The type of its value.
    pub value: Type,
    /// Whether the key goes on with a name of the user's: `http.request.header.content-type`.
    pub is_template: bool,
    /// Whether it is of use, and what took its place.
    pub state: State,
}

/// The type of a value. Cloud Trace v2 knows the first three alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Text.
    Str,
    /// An integer.
    Int,
    /// A boolean.
    Bool,
    /// A list of texts.
    StrArray,
}

/// Whether a label is of use in this version of the conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is.
    Current,
    /// It got another name and kept its meaning.
    Renamed(&'static str),
    /// Its value is said in another form, by one label or several.
    Replaced(&'static [&'static str]),
    /// It stood for the other side of a call, which has a name of its own on clients and on servers now.
    BySide {
        /// On spans of every kind but SERVER and CONSUMER.
        client: &'static str,
        /// On SERVER and CONSUMER spans.
        server: &'static str,
    },
    /// It is gone without a successor.
    Removed,
}

impl Label {
    /// The labels to use in its place on a span of this kind; empty for those that are current or gone.
    pub fn successors(&self, kind: SpanKind) -> Vec<&'static str> {
        match self.state {
            State::Current | State::Removed => Vec::new(),
            State::Renamed(name) => vec![name],
            State::Replaced(names) => names.to_vec(),
            State::BySide { client, server } => match kind {
                SpanKind::Server | SpanKind::Consumer => vec![server],
                _ => vec![client],
            },
        }
    }
}

impl Type {
    /// The name as the registry writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Type::Str => "string",
            Type::Int => "int",
            Type::Bool => "boolean",
            Type::StrArray => "string[]",
        }
    }

    /// Whether a value is of this type; what was scrubbed is.
    pub fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Scrubbed(_)) | (Type::Str, Value::Str(_)) => true,
            (Type::Int, Value::Int(_)) | (Type::Bool, Value::Bool(_)) => true,
            (Type::StrArray, Value::Array(items)) => items.iter().all(|item| Type::Str.admits(item)),
            _ => false,
        }
    }
}

/// A label of the registry by the key that a span has.
pub fn find(key: &str) -> Option<&'static Label> {
    let exact = |key: &str| LABELS.binary_search_by(|label| label.key.cmp(key)).ok().map(|at| &LABELS[at]);
    exact(key).filter(|label| !label.is_template).or_else(|| {
        let prefixes = key.match_indices('.').map(|(dot, _)| &key[..dot]);
        prefixes.filter_map(exact).find(|label| label.is_template)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_occur_once() {
        for pair in LABELS.windows(2) {
            assert!(pair[0].key < pair[1].key, "{} stands before {}", pair[0].key, pair[1].key);
        }
    }

    #[test]
    fn a_successor_is_current() {
        for label in LABELS {
            for kind in [SpanKind::Client, SpanKind::Server] {
                for successor in label.successors(kind) {
                    let key = if label.is_template { format!("{successor}.x") } else { successor.to_owned() };
                    let found = find(&key).map(|label| label.state);
                    assert_eq!(found, Some(State::Current), "{successor} in place of {}", label.key);
                }
            }
        }
    }

    #[test]
    fn a_requirement_names_a_current_label_first() {
        for requirement in REQUIRED {
            let found = find(requirement.label()).map(|label| label.state);
            assert_eq!(found, Some(State::Current), "{}", requirement.label());
        }
    }

    #[test]
    fn keys_are_found() {
        for (key, expected) in [
            ("http.request.method", Some("http.request.method")),
            ("http.request.header.content-type", Some("http.request.header")),
            ("http.request.header", None),
            ("http.request.method.x", None),
            ("my.label", None),
        ] {
            assert_eq!(find(key).map(|label| label.key), expected, "{key}");
        }
    }

    #[test]
    fn the_successor_of_a_peer_depends_on_the_side() {
        let peer = find("net.peer.name").expect("it is in the table");
        assert_eq!(peer.successors(SpanKind::Client), ["server.address"]);
        assert_eq!(peer.successors(SpanKind::Server), ["client.address"]);
    }
}
