//! Labels that a suite adds to the semantic conventions: a registry in the format of Weaver.
//!
//! Read are the definitions of attributes alone, in groups (`groups: [{ attributes: [{ id, type, deprecated }] }]`) or at the
//! top (`attributes: [{ key, type, deprecated }]`, version 2 of the format); everything else a registry holds is passed over.
//! The files are handed over as text. Source: <https://github.com/open-telemetry/weaver/blob/main/schemas/semconv-syntax.md>.

use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;
use serde_saphyr::Location;

use crate::spanned::Spanned;
use spanwise_model::{Label, LabelState, LabelType};

use crate::error::{File, SuiteError};
use crate::format::read_yaml;
use crate::yaml::{Described, Scalar};

/// A file of a registry: its name, for errors, and its text.
pub type RegistryText = (String, String);

/// Reads the files of a registry, given the name of the suite file and the path that it names.
pub type ReadRegistry = fn(&str, &str) -> io::Result<Vec<RegistryText>>;

#[derive(Deserialize)]
struct RegistryFile {
    #[serde(default)]
    groups: Vec<Group>,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
struct Group {
    /// Older registries have it once for all attributes of the group.
    prefix: Option<String>,
    #[serde(default)]
    attributes: Vec<Attribute>,
}

/// A definition (`id`, or `key` in version 2), or a reference to one (`ref`), which says nothing new.
#[derive(Deserialize)]
struct Attribute {
    id: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    #[serde(rename = "type")]
    value: Option<Spanned<Described<Enumeration>>>,
    deprecated: Option<Described<Deprecated>>,
}

#[derive(Deserialize)]
struct Enumeration {
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    value: Scalar,
}

#[derive(Deserialize)]
struct Deprecated {
    renamed_to: Option<String>,
}

/// Reads the labels that the files of a registry define.
///
/// # Errors
/// The first mistake, with its place in its file.
pub fn labels(files: &[RegistryText]) -> Result<Vec<Label>, SuiteError> {
    let mut labels: BTreeMap<String, Label> = BTreeMap::new();
    for (name, text) in files {
        let file = File { name, text };
        let read: RegistryFile = read_yaml(file)?;
        let grouped = read.groups.iter().flat_map(|group| {
            let prefix = group.prefix.as_ref().map(|prefix| format!("{prefix}.")).unwrap_or_default();
            group.attributes.iter().map(move |attribute| (prefix.clone(), attribute))
        });
        let all = grouped.chain(read.attributes.iter().map(|attribute| (String::new(), attribute)));
        for (prefix, attribute) in all {
            let Some((label, at)) = label(file, &prefix, attribute)? else { continue };
            let known = labels.entry(label.key.clone()).or_insert_with(|| label.clone());
            if (known.value, known.is_template) != (label.value, label.is_template) {
                let message = format!("the attribute `{}` is defined twice, with different types", label.key);
                return Err(file.error(at, message));
            }
        }
    }
    Ok(labels.into_values().collect())
}

/// The label that a definition makes, and its place; `None` for a reference.
fn label(
    file: File<'_>,
    prefix: &str,
    attribute: &Attribute,
) -> Result<Option<(Label, Location)>, SuiteError> {
    let Some(name) = attribute.key.as_ref().or(attribute.id.as_ref()) else { return Ok(None) };
    let Some(written) = &attribute.value else {
        let message = format!("the attribute `{}` has no `type`", name.value);
        return Err(file.error(name.referenced, message));
    };
    let (value, is_template) = match &written.value {
        Described::Text(text) => read_type(text).ok_or_else(|| {
            let names = LabelType::ALL.map(LabelType::as_str);
            let error = file.error(written.referenced, format!("unknown type `{text}` of an attribute"));
            error.with_names(text, names)
        })?,
        Described::Mapping(enumeration) => (enumeration.value(), false),
    };
    let state = match &attribute.deprecated {
        None => LabelState::Current,
        Some(Described::Mapping(Deprecated { renamed_to: Some(name) })) => {
            LabelState::RenamedTo(name.clone())
        }
        Some(_) => LabelState::Removed,
    };
    let key = format!("{prefix}{}", name.value);
    Ok(Some((Label { key, value, is_template, state }, name.referenced)))
}

impl Enumeration {
    /// The type of its members.
    fn value(&self) -> LabelType {
        match self.members.first().map(|member| &member.value) {
            Some(Scalar::Number(_)) => LabelType::Int,
            Some(Scalar::Truth(_)) => LabelType::Bool,
            Some(Scalar::Text(_)) | None => LabelType::Str,
        }
    }
}

/// A type by its name, and whether it is that of a template: `template[string[]]`.
fn read_type(text: &str) -> Option<(LabelType, bool)> {
    let inner = text.strip_prefix("template[").and_then(|rest| rest.strip_suffix(']'));
    let value = inner.unwrap_or(text).parse().ok()?;
    Some((value, inner.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Label>, SuiteError> {
        labels(&[("shop.yaml".to_owned(), text.to_owned())])
    }

    /// The labels of a registry, as `key type state`.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let labels = read(text).map_err(miette::Report::new).expect("the registry is right");
        let shown = labels.iter().map(|label| {
            let template = if label.is_template { " template" } else { "" };
            let state = match &label.state {
                LabelState::Current => String::new(),
                LabelState::RenamedTo(name) => format!(" -> {name}"),
                other => format!(" {other:?}"),
            };
            format!("{} {}{template}{state}", label.key, label.value.as_str())
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn definitions_in_groups() {
        let text = r#"
groups:
  - id: registry.shop
    type: attribute_group
    brief: What the shop says of an order.
    attributes:
      - { id: shop.order.id, type: string, brief: Its number., stability: stable, examples: ["7"] }
      - { id: shop.header, type: "template[string[]]", brief: Headers. }
      - id: shop.tier
        brief: Of the customer.
        type: { allow_custom_values: true, members: [{ id: gold, value: gold, stability: stable }] }
      - id: shop.code
        type: { members: [{ id: none, value: 0 }, { id: some, value: 1 }] }
        deprecated: { reason: obsoleted, note: Nobody asked. }
      - id: shop.number
        type: int
        deprecated: { reason: renamed, renamed_to: shop.order.id }
      - { id: shop.old, type: double, deprecated: Use another. }
      - { ref: http.request.method }
  - { id: metric.shop.orders, type: metric, metric_name: shop.orders, instrument: counter, unit: "{order}" }
"#;
        check(
            text,
            &[
                "shop.code int Removed",
                "shop.header string[] template",
                "shop.number int -> shop.order.id",
                "shop.old double Removed",
                "shop.order.id string",
                "shop.tier string",
            ],
        );
    }

    #[test]
    fn definitions_with_a_prefix_and_in_version_2() {
        check("groups: [{ id: shop, prefix: shop, attributes: [{ id: a, type: any }] }]", &["shop.a any"]);
        check("file_format: definition/2\nattributes: [{ key: shop.b, type: boolean }]", &["shop.b boolean"]);
        // A manifest, or a file of metrics alone.
        check("name: shop\nschema_url: https://shop.example/1", &[]);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, message, place) in [
            ("attributes: [{ key: a.b }]", "the attribute `a.b` has no `type`", (1, 21)),
            ("attributes:\n  - { key: a.b, type: text }", "unknown type `text` of an attribute", (2, 23)),
            (
                "attributes:\n  - { key: a.b, type: int }\n  - { key: a.b, type: string }",
                "the attribute `a.b` is defined twice, with different types",
                (3, 12),
            ),
        ] {
            let error = read(text).expect_err("the registry has a mistake");
            assert_eq!((error.message(), (error.line(), error.column())), (message, place));
            assert_eq!(error.file(), "shop.yaml");
        }
        assert!(read("groups: {").is_err());
    }
}
