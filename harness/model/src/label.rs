//! A label of the registry of conventions: key, type of the value, and what took its place.
//!
//! `check` holds the registry of the semantic conventions; `scenario` reads what a suite adds to it.

use serde::{Deserialize, Serialize};

use crate::{SpanKind, Value};

/// A label (attribute) as a registry defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Its key; of a template (`http.request.header`) what stands before the last dot.
    pub key: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub value: LabelType,
    /// Whether the key goes on with a name of the user's: `http.request.header.content-type`.
    #[serde(default, rename = "template")]
    pub is_template: bool,
    /// Whether it is of use, and what took its place.
    #[serde(default)]
    pub state: LabelState,
}

/// The type of a label's value. Cloud Trace v2 knows texts, integers and booleans alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LabelType {
    /// Text.
    #[serde(rename = "string")]
    Str,
    /// An integer.
    #[serde(rename = "int")]
    Int,
    /// A number with a fraction.
    #[serde(rename = "double")]
    Double,
    /// A boolean.
    #[serde(rename = "boolean")]
    Bool,
    /// A list of texts.
    #[serde(rename = "string[]")]
    StrArray,
    /// A list of integers.
    #[serde(rename = "int[]")]
    IntArray,
    /// A list of numbers with fractions.
    #[serde(rename = "double[]")]
    DoubleArray,
    /// A list of booleans.
    #[serde(rename = "boolean[]")]
    BoolArray,
    /// Anything.
    #[serde(rename = "any")]
    Any,
}

/// Whether a label is of use in this version of the conventions.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelState {
    /// It is.
    #[default]
    Current,
    /// It got another name and kept its meaning.
    RenamedTo(String),
    /// Its value is said in another form, by one label or several.
    ReplacedBy(Vec<String>),
    /// It stood for the other side of a call, which has a name of its own on clients and on servers now.
    BySide {
        /// On spans of every kind but SERVER and CONSUMER.
        client: String,
        /// On SERVER and CONSUMER spans.
        server: String,
    },
    /// It is gone without a successor.
    Removed,
}

impl Label {
    /// The labels to use in its place on a span of this kind; empty for those that are current or gone.
    pub fn successors(&self, kind: SpanKind) -> &[String] {
        use std::slice::from_ref;
        match &self.state {
            LabelState::Current | LabelState::Removed => &[],
            LabelState::RenamedTo(name) => from_ref(name),
            LabelState::ReplacedBy(names) => names,
            LabelState::BySide { client, server } => match kind {
                SpanKind::Server | SpanKind::Consumer => from_ref(server),
                _ => from_ref(client),
            },
        }
    }
}

impl LabelType {
    /// Every type.
    pub const ALL: [LabelType; 9] = [
        LabelType::Str,
        LabelType::Int,
        LabelType::Double,
        LabelType::Bool,
        LabelType::StrArray,
        LabelType::IntArray,
        LabelType::DoubleArray,
        LabelType::BoolArray,
        LabelType::Any,
    ];

    /// The name as registries write it.
    pub fn as_str(self) -> &'static str {
        match self {
            LabelType::Str => "string",
            LabelType::Int => "int",
            LabelType::Double => "double",
            LabelType::Bool => "boolean",
            LabelType::StrArray => "string[]",
            LabelType::IntArray => "int[]",
            LabelType::DoubleArray => "double[]",
            LabelType::BoolArray => "boolean[]",
            LabelType::Any => "any",
        }
    }

    /// The type of each item of a list; `None` where it is no list.
    pub fn item(self) -> Option<LabelType> {
        match self {
            LabelType::StrArray => Some(LabelType::Str),
            LabelType::IntArray => Some(LabelType::Int),
            LabelType::DoubleArray => Some(LabelType::Double),
            LabelType::BoolArray => Some(LabelType::Bool),
            _ => None,
        }
    }

    /// Whether a value is of this type; what was scrubbed is. A whole number is a right double: JSON knows no difference.
    pub fn admits(self, value: &Value) -> bool {
        match (self, value) {
            (_, Value::Scrubbed(_)) | (LabelType::Any, _) | (LabelType::Str, Value::Str(_)) => true,
            (LabelType::Int, Value::Int(_)) | (LabelType::Bool, Value::Bool(_)) => true,
            (LabelType::Double, Value::Double(_) | Value::Int(_)) => true,
            (_, Value::Array(items)) => {
                self.item().is_some_and(|item| items.iter().all(|value| item.admits(value)))
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for LabelType {
    type Err = ();
    fn from_str(text: &str) -> Result<LabelType, ()> {
        LabelType::ALL.into_iter().find(|known| known.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_by_the_name_they_are_written_by() {
        for one in LabelType::ALL {
            assert_eq!(one.as_str().parse(), Ok(one));
            let written = serde_json::to_value(one).expect("a type is written");
            assert_eq!(written, one.as_str());
        }
    }

    #[test]
    fn values_of_a_type() {
        let list = |items: &[Value]| Value::Array(items.to_vec());
        for (value, right) in [
            (Value::from("x"), "string any"),
            (Value::Int(1), "int double any"),
            (Value::Double(0.5), "double any"),
            (Value::Bool(true), "boolean any"),
            (list(&["x".into()]), "string[] any"),
            (list(&[1.into()]), "int[] double[] any"),
            (list(&["x".into(), 1.into()]), "any"),
            (Value::Bytes(vec![1]), "any"),
        ] {
            let admitting = LabelType::ALL.into_iter().filter(|one| one.admits(&value));
            assert_eq!(admitting.map(LabelType::as_str).collect::<Vec<_>>().join(" "), right, "{value}");
        }
        assert!(LabelType::ALL.into_iter().all(|one| one.admits(&Value::Scrubbed("port".to_owned()))));
    }
}
