//! The shapes that the suite format needs beyond what serde derives: mappings whose order and keys' places are kept,
//! and plain values of any scalar type. Used by `format` alone.

use std::fmt;
use std::marker::PhantomData;

use crate::error::File;
use crate::spanned::Spanned;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use spanwise_model::Value;

/// A mapping in the order of the file, each key with its place. Duplicate keys are the YAML reader's to refuse.
pub(crate) struct Entries<V>(pub(crate) Vec<(Spanned<String>, V)>);

impl<V> Default for Entries<V> {
    fn default() -> Entries<V> {
        Entries(Vec::new())
    }
}

impl<V> Entries<V> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Spanned<String>, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.value.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

/// A value of an axis or of `env`: text, a whole number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Text(String),
    Number(i64),
    Truth(bool),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Text(text) => f.write_str(text),
            Scalar::Number(number) => write!(f, "{number}"),
            Scalar::Truth(truth) => write!(f, "{truth}"),
        }
    }
}

/// A scalar as text, at its place.
pub(crate) trait AsText {
    fn text(&self) -> Spanned<String>;

    /// As its file has it: `True` and `0x1F` are no other text in an environment or a header because YAML takes them for a truth and a
    /// number.
    fn written(&self, file: File<'_>) -> Spanned<String>;
}

impl AsText for Spanned<Scalar> {
    fn text(&self) -> Spanned<String> {
        Spanned::new(self.value.to_string(), self.referenced)
    }

    fn written(&self, file: File<'_>) -> Spanned<String> {
        let word = file.written(self.referenced);
        // Where an alias stands, or a tag, the text is elsewhere.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_');
        match &self.value {
            Scalar::Number(_) | Scalar::Truth(_) if !word.is_empty() && word.chars().all(is_plain) => {
                Spanned::new(word.to_owned(), self.referenced)
            }
            _ => self.text(),
        }
    }
}

impl From<&Scalar> for serde_json::Value {
    fn from(scalar: &Scalar) -> serde_json::Value {
        match scalar {
            Scalar::Text(text) => text.as_str().into(),
            Scalar::Number(number) => (*number).into(),
            Scalar::Truth(truth) => (*truth).into(),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a whole number, or true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                i64::try_from(number)
                    .map(Scalar::Number)
                    .map_err(|_| E::custom("the number does not fit into 64 bits; put it in quotes"))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<Scalar, E> {
                Ok(Scalar::Truth(truth))
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar, E> {
                Err(E::custom("only whole numbers of 64 bits are read as numbers; put others in quotes"))
            }
        }

        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// What is expected of a label: text, a number or a boolean; nothing (`null`) where it must not be there.
pub(crate) struct LabelValue(pub(crate) Option<Value>);

impl<'de> Deserialize<'de> for LabelValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LabelVisitor;

        impl Visitor<'_> for LabelVisitor {
            type Value = LabelValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, true, false or null")
            }

            fn visit_unit<E: Error>(self) -> Result<LabelValue, E> {
                Ok(LabelValue(None))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LabelValue, E> {
                Ok(LabelValue(Some(text.into())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<LabelValue, E> {
                Ok(LabelValue(Some(number.into())))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<LabelValue, E> {
                let number = i64::try_from(number);
                number
                    .map(|number| LabelValue(Some(number.into())))
                    .map_err(|_| E::custom("the number does not fit into 64 bits; no label can have it"))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<LabelValue, E> {
                Ok(LabelValue(Some(Value::Double(number))))
            }

            fn visit_bool<E: Error>(self, truth: bool) -> Result<LabelValue, E> {
                Ok(LabelValue(Some(truth.into())))
            }
        }

        deserializer.deserialize_any(LabelVisitor)
    }
}

impl From<&Scalar> for Value {
    fn from(scalar: &Scalar) -> Value {
        match scalar {
            Scalar::Text(text) => text.as_str().into(),
            Scalar::Number(number) => (*number).into(),
            Scalar::Truth(truth) => (*truth).into(),
        }
    }
}

/// Text, or a mapping that says more: levels of a suite, types and deprecations of a registry, how a service gets ready.
pub(crate) enum Described<M> {
    Text(String),
    Mapping(M),
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for Described<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DescribedVisitor<M>(PhantomData<M>);

        impl<'de, M: Deserialize<'de>> Visitor<'de> for DescribedVisitor<M> {
            type Value = Described<M>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a mapping")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Described<M>, E> {
                Ok(Described::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Described<M>, A::Error> {
                M::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Described::Mapping)
            }
        }

        deserializer.deserialize_any(DescribedVisitor(PhantomData))
    }
}

/// The value of an entry of `axes`: a list of values, or, under `env`, a mapping of variables to lists.
pub(crate) enum AxisNode {
    Values(Vec<Spanned<Scalar>>),
    Variables(Entries<Vec<Spanned<Scalar>>>),
}

impl<'de> Deserialize<'de> for AxisNode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;

        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = AxisNode;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AxisNode, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(AxisNode::Values(values))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AxisNode, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(AxisNode::Variables(Entries(entries)))
            }
        }

        deserializer.deserialize_any(NodeVisitor)
    }
}
