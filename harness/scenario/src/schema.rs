//! The JSON Schema of suite files, for editors and programs: made of the structs of `format`, so that it cannot know other keys
//! than the reader does. `cargo xtask generate` writes it to `fixtures/schema/suite.schema.json`.
//!
//! The types here stand in the structs' `#[schemars(with = …)]` where the type that reads says less than there is to say. What
//! one key means for another is left to the reader.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, Deserializer, Visitor, value::Error};
use serde_json::{Map, Value};
use spanwise_model::{GrpcCode, Level};

use crate::Known;
use crate::axes::BUILT_IN;
use crate::format::{ReadyFile, ReadyWord, SuiteFile};
use crate::yaml::{Described, Entries, LabelValue, Scalar};

/// The JSON Schema (draft 2020-12) of suite files, as pretty JSON that ends with a line break. Of `known` it takes the profiles
/// and the versions of the semantic conventions.
pub fn suite_schema(known: &Known<'_>) -> String {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<SuiteFile>();
    RecursiveTransform(plain).transform(&mut schema);
    schema.insert("$id".to_owned(), "urn:spanwise:schema:suite-1".into());
    schema.insert("title".to_owned(), "spanwise suite".into());
    for (key, words) in [("profile", known.profiles), ("schema", known.schemas)] {
        let place = schema.pointer_mut(&format!("/properties/{key}")).and_then(Value::as_object_mut);
        if let Some(place) = place {
            place.insert("enum".to_owned(), words.iter().copied().collect());
        }
    }
    format!("{:#}\n", sorted(schema.to_value()))
}

/// Takes out what says nothing to who writes a suite: that a key may also be left empty, the bits of a number, and where the lines
/// of a comment end.
fn plain(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = text.split("\n\n").map(|one| one.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().filter_map(Value::as_object_mut).for_each(not_empty);
    }
}

/// The schema of a key that may be left out, without the `null` that an `Option` stands for.
fn not_empty(property: &mut Map<String, Value>) {
    let is_null = |one: &Value| one == "null" || one["type"] == "null";
    for keyword in ["type", "anyOf"] {
        let Some(Value::Array(choices)) = property.get_mut(keyword) else { continue };
        choices.retain(|one| !is_null(one));
        if let [only] = choices.as_slice() {
            let only = only.clone();
            property.remove(keyword);
            match only {
                Value::Object(schema) => property.extend(schema),
                other => _ = property.insert(keyword.to_owned(), other),
            }
        }
    }
    if let Some(Value::Array(words)) = property.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}

/// Keys in the order of the alphabet, whatever map `serde_json` was built with.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<String, Value> =
                entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// A word that becomes part of permutations' names.
pub(crate) struct Component;
/// One of the words that `T`, an enum without data, is read from.
pub(crate) struct Word<T>(PhantomData<T>);
/// A mapping whose keys are [`Component`]s.
pub(crate) struct Named<V>(PhantomData<V>);
/// The mapping `axes`.
pub(crate) struct Axes;
/// The mapping `levels`.
pub(crate) struct Levels;
/// A JSON object.
pub(crate) struct Object;
/// What `expect.http` can say.
pub(crate) struct Status;
/// The gRPC codes that are errors.
pub(crate) struct ErrorCode;

/// Implements [`JsonSchema`] for a type that is written out where it is used.
macro_rules! inline {
    ($type:ty, [$($generic:tt)*], |$generator:ident| $schema:expr) => {
        impl<$($generic)*> JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                std::any::type_name::<Self>().into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

// No look-ahead, which not every editor's validator knows: that `__` is not legal is left to the reader.
inline!(
    Component,
    [],
    |_generator| json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-][A-Za-z0-9._-]*$" })
);
inline!(Word<T>, [T: DeserializeOwned], |_generator| one_of(words::<T>()));
inline!(Scalar, [], |_generator| json_schema!({ "type": ["string", "integer", "boolean"] }));
inline!(Object, [], |_generator| json_schema!({ "type": "object" }));
inline!(Status, [], |_generator| json_schema!({ "type": ["integer", "string"] }));
inline!(LabelValue, [], |_generator| json_schema!({ "type": ["string", "number", "boolean", "null"] }));
inline!(Entries<V>, [V: JsonSchema], |generator| json_schema!({
    "type": "object",
    "additionalProperties": generator.subschema_for::<V>(),
}));
inline!(Described<ReadyFile>, [], |generator| json_schema!({
    "anyOf": [one_of(words::<ReadyWord>()), generator.subschema_for::<ReadyFile>()],
}));
inline!(Named<V>, [V: JsonSchema], |generator| json_schema!({
    "type": "object",
    "propertyNames": generator.subschema_for::<Component>(),
    "additionalProperties": generator.subschema_for::<V>(),
}));
inline!(ErrorCode, [], |_generator| {
    one_of(GrpcCode::all().filter(|code| *code != GrpcCode::Ok).map(GrpcCode::as_str))
});
inline!(Levels, [], |generator| {
    let level = generator.subschema_for::<Word<Level>>();
    json_schema!({
        "type": "object",
        "additionalProperties": { "anyOf": [level, { "type": "object", "additionalProperties": level }] },
    })
});
inline!(Axes, [], |generator| {
    let axis = |words: Vec<&'static str>, about: &str| json_schema!({ "type": "array", "description": about, "items": one_of(words), "minItems": 1, "uniqueItems": true });
    let known = BUILT_IN.iter().map(|one| (one.name.to_owned(), axis((one.words)(), one.about).to_value()));
    let mut axes: Map<String, Value> = known.collect();
    let mut further = generator.subschema_for::<Named<Vec<Scalar>>>();
    let about = "Further axes: a variable that all services get, with its values.";
    further.insert("description".to_owned(), about.into());
    axes.insert("env".to_owned(), further.to_value());
    json_schema!({ "type": "object", "additionalProperties": false, "properties": axes })
});

fn one_of(words: impl IntoIterator<Item = &'static str>) -> Schema {
    json_schema!({ "enum": words.into_iter().collect::<Vec<_>>() })
}

/// The words that an enum is read from: it is asked to read itself, and names them.
pub(crate) fn words<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut words = Vec::new();
    // There is nothing to read, so this always fails.
    let _ = T::deserialize(Asking(&mut words));
    words
}

struct Asking<'w>(&'w mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asking<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("no enum"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants);
        Err(serde::de::Error::custom("asked for its words alone"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}
