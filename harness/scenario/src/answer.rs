//! What a case expects of an answer besides its status: reads `expect.headers` and `expect.json`, and compares them with what came.
//!
//! The run loop has the answers and asks; a rule tells. An answer is seldom expected in full, so what is not written is not
//! compared.

use serde_json::Value;
use spanwise_model::{AnswerDifference, Header, is_expected_text, secret};

use crate::error::SuiteError;
use crate::format::ExpectFile;
use crate::names::Names;
use crate::request::header_name;
use crate::spanned::Spanned;
use crate::yaml::{AsText as _, Scalar};

/// What is shown of a value at most, in characters.
const SHOWN: usize = 200;

/// Headers and JSON that an answer must have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedAnswer {
    /// Headers or trailers by their name in lower case, `*` in them for any characters; `None` for one that must not be there.
    pub headers: Vec<(String, Option<String>)>,
    /// What the JSON of the answer must hold: keys that are not written may be there; `*` in texts stands for any characters, and
    /// alone for any value; null is also a key that is not there.
    pub json: Option<Value>,
}

impl ExpectedAnswer {
    /// Reads the expectations of a request, `each` and `user` filled in.
    pub(crate) fn read(written: &ExpectFile, names: &Names<'_>) -> Result<ExpectedAnswer, SuiteError> {
        let header = |(name, value): (&Spanned<String>, &Spanned<Option<Scalar>>)| {
            let text = |scalar: &Scalar| names.text(&Spanned::new(scalar.clone(), value.referenced).text());
            Ok((header_name(names.file, name)?, value.value.as_ref().map(text).transpose()?))
        };
        Ok(ExpectedAnswer {
            headers: written.headers.iter().map(header).collect::<Result<_, SuiteError>>()?,
            json: written.json.as_ref().map(|json| names.json(json)).transpose()?,
        })
    }

    /// Whether nothing is expected.
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.json.is_none()
    }

    /// What of an answer is not as expected, secrets replaced: its headers and trailers, of which secrets are replaced already, and
    /// its JSON, `None` where it is none.
    pub fn differences(&self, headers: &[Header], json: Option<&Value>) -> Vec<AnswerDifference> {
        let mut differences: Vec<AnswerDifference> = self
            .headers
            .iter()
            .filter_map(|(name, expected)| header(name, expected.as_deref(), headers))
            .collect();
        match (&self.json, json) {
            (None, _) => {}
            (Some(expected), Some(actual)) => compare("", expected, Some(actual), &mut differences),
            (Some(expected), None) => differences.push(AnswerDifference {
                part: "the JSON".to_owned(),
                expected: shown(expected),
                actual: "no JSON".to_owned(),
            }),
        }
        differences
    }
}

fn header(name: &str, expected: Option<&str>, headers: &[Header]) -> Option<AnswerDifference> {
    let values =
        || headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name)).map(|header| &header.value);
    let fits = match expected {
        Some(pattern) => values().any(|value| is_expected_text(pattern, value, None)),
        None => values().next().is_none(),
    };
    let actual: Vec<&str> = values().map(String::as_str).collect();
    (!fits).then(|| AnswerDifference {
        part: format!("the header {name}"),
        expected: expected.map_or("none".to_owned(), |text| secret::header_value(name, text).into_owned()),
        actual: if actual.is_empty() { "none".to_owned() } else { cut(actual.join(", ")) },
    })
}

/// Adds how a value differs; `place` is its JSON Pointer.
fn compare(place: &str, expected: &Value, actual: Option<&Value>, differences: &mut Vec<AnswerDifference>) {
    let fits = match (expected, actual) {
        (Value::Null, None) => true,
        (Value::String(pattern), Some(_)) if pattern == "*" => true,
        (Value::Object(keys), Some(Value::Object(found))) => {
            for (key, expected) in keys {
                let key_place = format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
                compare(&key_place, expected, found.get(key), differences);
            }
            true
        }
        (Value::Array(items), Some(Value::Array(found))) if items.len() == found.len() => {
            for (at, (expected, actual)) in items.iter().zip(found).enumerate() {
                compare(&format!("{place}/{at}"), expected, Some(actual), differences);
            }
            true
        }
        (Value::String(pattern), Some(Value::String(text))) => is_expected_text(pattern, text, None),
        // 1 and 1.0 are one number in JSON.
        (Value::Number(one), Some(Value::Number(other))) => one == other || one.as_f64() == other.as_f64(),
        (expected, Some(actual)) => expected == actual,
        (_, None) => false,
    };
    if !fits {
        let part = if place.is_empty() { "the JSON".to_owned() } else { place.to_owned() };
        // The name of a key can say that its value is a secret.
        let key = place.rsplit('/').next().unwrap_or_default();
        let told = |value: &Value| match value {
            Value::String(text) => shown(&Value::from(secret::header_value(key, text))),
            other => shown(other),
        };
        differences.push(AnswerDifference {
            part,
            expected: told(expected),
            actual: actual.map_or("nothing".to_owned(), told),
        });
    }
}

fn shown(value: &Value) -> String {
    cut(secret::text(&value.to_string()).into_owned())
}

fn cut(text: String) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Compares the differences as `part: expected / actual`.
    #[track_caller]
    fn check(
        headers: &[(&str, Option<&str>)],
        expected: Option<Value>,
        came: Option<Value>,
        differences: &[&str],
    ) {
        let header = |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        let expected = ExpectedAnswer { headers: headers.iter().map(header).collect(), json: expected };
        let answered = ["content-type: text/html; charset=utf-8", "x-a: 1", "x-a: 2"].map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            Header { name: name.to_owned(), value: value.to_owned() }
        });
        let found = expected.differences(&answered, came.as_ref());
        let found: Vec<String> =
            found.iter().map(|one| format!("{}: {} / {}", one.part, one.expected, one.actual)).collect();
        assert_eq!(found, differences);
    }

    #[test]
    fn headers_are_compared_by_pattern() {
        check(&[("content-type", Some("text/html*")), ("x-a", Some("2")), ("x-b", None)], None, None, &[]);
        check(
            &[("content-type", Some("text/html")), ("x-a", None), ("x-b", Some("*"))],
            None,
            None,
            &[
                "the header content-type: text/html / text/html; charset=utf-8",
                "the header x-a: none / 1, 2",
                "the header x-b: * / none",
            ],
        );
    }

    #[test]
    fn json_is_compared_as_far_as_it_is_written() {
        let json = |expected: Value, came: Value, differences: &[&str]| {
            check(&[], Some(expected), Some(came), differences);
        };
        json(
            json!({ "a": 1, "b": { "c": "x*" } }),
            json!({ "a": 1.0, "b": { "c": "xyz", "d": 1 }, "e": 0 }),
            &[],
        );
        json(json!({ "a": "*", "b": null }), json!({ "a": [1, 2] }), &[]);
        json(json!({ "a": "*" }), json!({}), &["/a: \"*\" / nothing"]);
        json(json!({ "a": null }), json!({ "a": 0 }), &["/a: null / 0"]);
        json(json!([{ "id": 1 }, "*"]), json!([{ "id": 2, "x": 1 }, 7]), &["/0/id: 1 / 2"]);
        json(json!([1]), json!([1, 2]), &["the JSON: [1] / [1,2]"]);
        json(json!({ "a/b~c": true }), json!({ "a/b~c": false }), &["/a~1b~0c: true / false"]);
        check(&[], Some(json!({ "a": 1 })), None, &["the JSON: {\"a\":1} / no JSON"]);
    }

    #[test]
    fn no_secret_is_shown() {
        let expected = ExpectedAnswer { headers: Vec::new(), json: Some(json!({ "access_token": "abc" })) };
        let found = expected.differences(&[], Some(&json!({ "access_token": "ya29.a0AfH6SMBx0123456789" })));
        assert!(found[0].actual.starts_with("\"<") && !found[0].actual.contains("a0AfH6"), "{found:?}");
    }
}
