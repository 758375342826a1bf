//! Fills texts of a suite with what the plan knows: values of `each`, the user, and which references there are. Read by every
//! part that has such texts; `template` has what stays open.

use serde_saphyr::Location;

use crate::captured;
use crate::error::{File, SuiteError};
use crate::spanned::Spanned;
use crate::template::{FIXED, Part, Piece, Reference, Template, fixed, split, whole};
use crate::yaml::Scalar;

/// What stands for the names in one expansion of a case.
#[derive(Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) file: File<'a>,
    /// The services of the suite.
    pub(crate) services: &'a [&'a str],
    /// The value of every `each` list.
    pub(crate) each: &'a [(String, Scalar)],
    /// The user of one of several concurrent requests.
    pub(crate) user: Option<&'a str>,
    /// The steps of a sequence that come before this one.
    pub(crate) steps: &'a [String],
    /// Whether there can be a metadata server: in variables of a suite that runs on Cloud Run.
    pub(crate) metadata: bool,
}

impl Names<'_> {
    /// Reads text of a service's environment or command.
    pub(crate) fn template(&self, text: &Spanned<String>) -> Result<Template, SuiteError> {
        let mut pieces = Vec::new();
        for part in split(&text.value) {
            pieces.push(match part {
                Part::Text(text) => Piece::Text(text.to_owned()),
                Part::Open(open) => return Err(self.unclosed(text, open)),
                Part::Name(name) => self.reference(text, name)?,
            });
        }
        Ok(Template { pieces })
    }

    fn reference(&self, text: &Spanned<String>, name: &str) -> Result<Piece, SuiteError> {
        if let Some(value) = self.each_value(name) {
            return Ok(Piece::Text(value.to_string()));
        }
        if let Some(user) = self.user.filter(|_| name == "user") {
            return Ok(Piece::Text(user.to_owned()));
        }
        if self.is_of_step(name) {
            return Ok(Piece::Text(format!("{{{{{name}}}}}")));
        }
        if let Some(reference) = fixed(name) {
            if reference == Reference::MetadataHost && !self.metadata {
                let message = "there is no metadata server here";
                let help = "it is part of `platform: cloud-run`: a variable that holds it is set there alone";
                return Err(self.file.error_within(text.referenced, name, message).with_help(help));
            }
            return Ok(Piece::Reference(reference));
        }
        if let Some(service) = name.strip_suffix(".url").filter(|name| self.services.contains(name)) {
            return Ok(Piece::Reference(Reference::ServiceUrl(service.to_owned())));
        }
        let services: Vec<String> = self.services.iter().map(|name| format!("{name}.url")).collect();
        let each: Vec<String> = self.each.iter().map(|(name, _)| format!("each.{name}")).collect();
        let fixed = FIXED.iter().map(|(name, _)| *name);
        let steps = self.known_of_steps();
        let known = services.iter().chain(&each).chain(&steps).map(String::as_str).chain(fixed);
        Err(self.unknown(text, name).with_names(name, known))
    }

    /// Fills text of a request, in which nothing may stay open but values of earlier answers.
    pub(crate) fn text(&self, text: &Spanned<String>) -> Result<String, SuiteError> {
        let mut filled = String::new();
        for part in split(&text.value) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Open(open) => return Err(self.unclosed(text, open)),
                Part::Name("user") if self.user.is_some() => filled.push_str(self.user.unwrap_or_default()),
                Part::Name(name) => match self.each_value(name) {
                    Some(value) => filled.push_str(&value.to_string()),
                    None if self.is_of_step(name) => filled.push_str(&format!("{{{{{name}}}}}")),
                    None => return Err(self.unknown_in_request(text, name)),
                },
            }
        }
        Ok(filled)
    }

    /// Fills every text inside a JSON value; a text that is one reference and nothing else keeps the value's type.
    pub(crate) fn json(&self, json: &Spanned<serde_json::Value>) -> Result<serde_json::Value, SuiteError> {
        self.json_at(&json.value, json.referenced)
    }

    fn json_at(&self, json: &serde_json::Value, at: Location) -> Result<serde_json::Value, SuiteError> {
        use serde_json::Value;
        Ok(match json {
            Value::String(text) => match self.whole(text) {
                Some(value) => value.into(),
                None => self.text(&Spanned::new(text.clone(), at))?.into(),
            },
            Value::Array(items) => {
                items.iter().map(|item| self.json_at(item, at)).collect::<Result<Vec<_>, _>>()?.into()
            }
            Value::Object(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.json_at(value, at)?)))
                    .collect::<Result<_, SuiteError>>()?,
            ),
            other => other.clone(),
        })
    }

    /// The value of `each` that stands for a text which is one reference and nothing else: it keeps its type.
    pub(crate) fn whole(&self, text: &str) -> Option<&Scalar> {
        whole(text).and_then(|name| self.each_value(name))
    }

    fn each_value(&self, name: &str) -> Option<&Scalar> {
        let name = name.strip_prefix("each.")?;
        self.each.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Whether a name stands for a value of an earlier step's answer.
    fn is_of_step(&self, name: &str) -> bool {
        captured::parse(name).is_some_and(|(step, _)| self.steps.iter().any(|known| known == step))
    }

    fn known_of_steps(&self) -> Vec<String> {
        self.steps.iter().map(|step| format!("steps.{step}.json")).collect()
    }

    fn unknown(&self, text: &Spanned<String>, name: &str) -> SuiteError {
        let message = format!("unknown reference `{{{{{name}}}}}`");
        self.file.error_within(text.referenced, name, message)
    }

    fn unknown_in_request(&self, text: &Spanned<String>, name: &str) -> SuiteError {
        let error = self.unknown(text, name);
        match name {
            "user" => error.with_help("`{{user}}` needs `concurrent: N` in the case"),
            _ => {
                let each: Vec<String> = self.each.iter().map(|(name, _)| format!("each.{name}")).collect();
                let steps = self.known_of_steps();
                let known = each.iter().chain(&steps).map(String::as_str);
                error.with_names(name, known.chain(self.user.map(|_| "user")))
            }
        }
    }

    fn unclosed(&self, text: &Spanned<String>, open: &str) -> SuiteError {
        self.file.error_within(text.referenced, open, "`{{` is never closed by `}}`")
    }
}
