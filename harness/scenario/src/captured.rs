//! Values of answers in later requests: `{{steps.NAME.json.KEY}}` in a step of a sequence.
//!
//! The plan leaves such references in the texts of a request, where nothing else in double braces can be; the run loop fills them
//! when it has the answers.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::answer::ExpectedAnswer;
use crate::template::{Part, Piece, Template, split, whole};
use crate::{Body, EntryRequest, RequestForm};

/// The answers of earlier steps as JSON, by the step's name; `None` for one that is none.
pub type Answers = BTreeMap<String, Option<Value>>;

/// Where a reference points: the step, and the keys and indices below its answer. `None` where the name is none of this form.
pub(crate) fn parse(name: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let (step, rest) = name.strip_prefix("steps.")?.split_once('.')?;
    let mut path = rest.split('.');
    (path.next() == Some("json") && path.clone().all(|part| !part.is_empty())).then_some((step, path))
}

impl EntryRequest {
    /// The request with values of earlier answers filled in.
    ///
    /// # Errors
    /// In words: the answer is not JSON, has no such value, or one that cannot stand where it is used.
    pub fn filled(&self, answers: &Answers) -> Result<EntryRequest, String> {
        let text = |written: &str| fill(written, answers);
        let pairs = |pairs: &[(String, String)]| -> Result<Vec<_>, String> {
            pairs.iter().map(|(name, value)| Ok((name.clone(), text(value)?))).collect()
        };
        let form = match &self.form {
            RequestForm::Http { method, path, body } => {
                let body = body.as_ref().map(|body| match body {
                    Body::Json(json) => fill_json(json, answers).map(Body::Json),
                    Body::Text(written) => text(written).map(Body::Text),
                });
                RequestForm::Http { method, path: text(path)?, body: body.transpose()? }
            }
            RequestForm::Grpc { call, messages, deadline } => RequestForm::Grpc {
                call: call.clone(),
                messages: messages
                    .iter()
                    .map(|message| fill_json(message, answers))
                    .collect::<Result<_, _>>()?,
                deadline: *deadline,
            },
            RequestForm::Shell { run, env, services, folder, deadline } => RequestForm::Shell {
                run: template(run, |written| fill_words(written, answers))?,
                env: env
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), template(value, text)?)))
                    .collect::<Result<_, String>>()?,
                services: services.clone(),
                folder: folder.clone(),
                deadline: *deadline,
            },
        };
        let header = |(name, value): &(String, Option<String>)| {
            Ok((name.clone(), value.as_deref().map(text).transpose()?))
        };
        let answer = ExpectedAnswer {
            headers: self.answer.headers.iter().map(header).collect::<Result<_, String>>()?,
            json: self.answer.json.as_ref().map(|json| fill_json(json, answers)).transpose()?,
        };
        Ok(EntryRequest { form, headers: pairs(&self.headers)?, answer, ..self.clone() })
    }
}

fn template(written: &Template, fill: impl Fn(&str) -> Result<String, String>) -> Result<Template, String> {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => fill(text).map(Piece::Text),
        reference => Ok(reference.clone()),
    };
    Ok(Template { pieces: written.pieces.iter().map(piece).collect::<Result<_, _>>()? })
}

fn fill(text: &str, answers: &Answers) -> Result<String, String> {
    fill_with(text, answers, |_, value| Ok(value))
}

/// In a command a value may not be more than a word: a shell would read the rest.
fn fill_words(text: &str, answers: &Answers) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/@%+=,".contains(&b);
    fill_with(text, answers, |name, value| match value.bytes().all(plain) {
        true => Ok(value),
        false => Err(format!(
            "{{{{{name}}}}} stands for a text that a shell would not take as one word; hand it over in `env`"
        )),
    })
}

fn fill_with(
    text: &str,
    answers: &Answers,
    check: impl Fn(&str, String) -> Result<String, String>,
) -> Result<String, String> {
    let mut filled = String::new();
    for part in split(text) {
        match part {
            Part::Text(text) | Part::Open(text) => filled.push_str(text),
            Part::Name(name) => {
                let value = match find(name, answers)? {
                    Value::String(text) => text.clone(),
                    value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
                    _ => {
                        return Err(format!(
                            "{{{{{name}}}}} stands for a list, a mapping or null, and not for a text"
                        ));
                    }
                };
                filled.push_str(&check(name, value)?);
            }
        }
    }
    Ok(filled)
}

/// A text that is one reference and nothing else takes the value as it is.
fn fill_json(json: &Value, answers: &Answers) -> Result<Value, String> {
    Ok(match json {
        Value::String(text) => match whole(text) {
            Some(name) => find(name, answers)?.clone(),
            None => fill(text, answers)?.into(),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill_json(item, answers)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => {
            let filled = entries.iter().map(|(key, value)| Ok((key.clone(), fill_json(value, answers)?)));
            Value::Object(filled.collect::<Result<_, String>>()?)
        }
        other => other.clone(),
    })
}

fn find<'a>(name: &str, answers: &'a Answers) -> Result<&'a Value, String> {
    let (step, path) = parse(name).ok_or_else(|| format!("{{{{{name}}}}} is no value of an answer"))?;
    let found = answers.get(step).and_then(Option::as_ref);
    let mut value =
        found.ok_or_else(|| format!("{{{{{name}}}}} has no value: the answer of step {step} is no JSON"))?;
    for part in path {
        let below = match value {
            Value::Array(items) => part.parse().ok().and_then(|at: usize| items.get(at)),
            other => other.get(part),
        };
        value = below.ok_or_else(|| {
            format!("{{{{{name}}}}} has no value: the answer of step {step} has no `{part}` there")
        })?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> Answers {
        let order = json!({ "id": 7, "name": "tea pot", "items": [{ "key": "a/b" }], "gone": null });
        BTreeMap::from([("order".to_owned(), Some(order)), ("empty".to_owned(), None)])
    }

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let filled = fill(text, &answers());
        assert_eq!(filled.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn texts_take_values_of_answers() {
        check("/orders/{{steps.order.json.id}}?x={{ steps.order.json.items.0.key }}", Ok("/orders/7?x=a/b"));
        check("nothing", Ok("nothing"));
        check(
            "{{steps.order.json.total}}",
            Err("{{steps.order.json.total}} has no value: the answer of step order has no `total` there"),
        );
        check(
            "{{steps.order.json.items.1}}",
            Err("{{steps.order.json.items.1}} has no value: the answer of step order has no `1` there"),
        );
        check(
            "{{steps.empty.json.id}}",
            Err("{{steps.empty.json.id}} has no value: the answer of step empty is no JSON"),
        );
        check(
            "{{steps.order.json.items}}",
            Err("{{steps.order.json.items}} stands for a list, a mapping or null, and not for a text"),
        );
    }

    #[test]
    fn json_keeps_the_type_of_a_value() {
        let written = json!({ "id": "{{steps.order.json.id}}", "note": ["for {{steps.order.json.id}}"], "all": "{{steps.order.json.items}}" });
        let filled = fill_json(&written, &answers());
        assert_eq!(filled, Ok(json!({ "id": 7, "note": ["for 7"], "all": [{ "key": "a/b" }] })));
    }

    #[test]
    fn a_command_takes_words_alone() {
        assert_eq!(fill_words("x {{steps.order.json.items.0.key}}", &answers()), Ok("x a/b".to_owned()));
        let error = fill_words("x {{steps.order.json.name}}", &answers()).expect_err("it has a space");
        assert!(error.contains("hand it over in `env`"), "{error}");
    }
}
