//! Text with references in it: `{{backend-service.url}}`, `{{collector.otlp_grpc}}`, `{{each.code}}`, `{{user}}`.
//!
//! What the plan knows (`each`, `user`) is filled in here; what only the run loop knows (addresses, files) stays as
//! pieces of a [`Template`], which it fills when it starts a service.

use std::fmt;

use crate::spanned::Spanned;

use crate::error::{File, SuiteError};
use crate::yaml::Scalar;

/// Text of a service's environment or command line, with what is only known when the service is started left open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// Text and references in order.
    pub pieces: Vec<Piece>,
}

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Stands for itself.
    Text(String),
    /// Stands for what the run loop says.
    Reference(Reference),
}

/// What a `{{…}}` in a service's environment or command stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// `{{NAME.url}}`: the URL of the front before a service, made for the service whose text this is, so that the
    /// caller is known. `https://localhost:PORT` where the setting's channel-out is secure, else `http://…`.
    ServiceUrl(String),
    /// `{{collector.otlp_grpc}}`, `{{collector.otlp_http}}`, `{{collector.cloud_trace}}`: the URL
    /// (`http://127.0.0.1:PORT`, no path) of the mock's listener for this very instance.
    Collector(Listener),
    /// `{{port}}`: the port to listen on; `0` where the service says its address itself ([`crate::Ready::Line`]).
    Port,
    /// `{{ca.file}}`: a PEM file with the certificate authority of the run, which signed the fronts' certificates.
    CaFile,
    /// `{{ca.pkcs12}}`: the same certificate in a PKCS#12 file, a trust store for Java; any password opens it.
    CaPkcs12,
    /// `{{untrusted.url}}`: an `https://` URL of a server that answers, with a certificate that no authority signed
    /// which the services trust. Nothing is tapped.
    UntrustedUrl,
    /// `{{metadata.host}}`: `127.0.0.1:PORT` of the metadata server of this very instance. Only on Cloud Run: a variable
    /// that holds it is not set on another platform, and no command can.
    MetadataHost,
    /// `{{refused.url}}`: a URL on whose port nothing listens. Its scheme follows channel-out; nothing is tapped.
    RefusedUrl,
}

/// A listener of the mock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listener {
    /// OTLP over gRPC.
    OtlpGrpc,
    /// OTLP over HTTP.
    OtlpHttp,
    /// Cloud Trace v2, gRPC and REST on one port.
    CloudTrace,
}

/// The words before a dot or alone that no service can be called, because a reference begins with them.
pub(crate) const RESERVED: [&str; 8] =
    ["collector", "untrusted", "refused", "ca", "port", "metadata", "each", "user"];

const FIXED: [(&str, Reference); 9] = [
    ("collector.otlp_grpc", Reference::Collector(Listener::OtlpGrpc)),
    ("collector.otlp_http", Reference::Collector(Listener::OtlpHttp)),
    ("collector.cloud_trace", Reference::Collector(Listener::CloudTrace)),
    ("port", Reference::Port),
    ("ca.file", Reference::CaFile),
    ("ca.pkcs12", Reference::CaPkcs12),
    ("untrusted.url", Reference::UntrustedUrl),
    ("refused.url", Reference::RefusedUrl),
    ("metadata.host", Reference::MetadataHost),
];

impl Template {
    /// Text without references.
    pub fn text(text: impl Into<String>) -> Template {
        Template { pieces: vec![Piece::Text(text.into())] }
    }

    /// The references, in order.
    pub fn references(&self) -> impl Iterator<Item = &Reference> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }

    /// The text, if nothing is left open.
    pub fn as_text(&self) -> Option<String> {
        self.fill(|_| Err(())).ok()
    }

    /// The text with every reference replaced by what `value` says of it; its first error otherwise.
    pub fn fill<E>(&self, mut value: impl FnMut(&Reference) -> Result<String, E>) -> Result<String, E> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Reference(reference) => filled.push_str(&value(reference)?),
            }
        }
        Ok(filled)
    }

    /// A template of this crate's own tables, without `each`.
    pub(crate) fn of_table(text: &str) -> Template {
        let pieces = split(text).map(|part| match part {
            Part::Name(name) => match fixed(name) {
                Some(reference) => Piece::Reference(reference),
                None => Piece::Text(format!("{{{{{name}}}}}")),
            },
            Part::Text(text) | Part::Open(text) => Piece::Text(text.to_owned()),
        });
        Template { pieces: pieces.collect() }
    }
}

impl fmt::Display for Template {
    /// As the suite file writes it, references in braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Reference(reference) => write!(f, "{{{{{reference}}}}}"),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match FIXED.iter().find(|(_, reference)| reference == self) {
            Some((name, _)) => f.write_str(name),
            None => match self {
                Reference::ServiceUrl(service) => write!(f, "{service}.url"),
                _ => Ok(()),
            },
        }
    }
}

fn fixed(name: &str) -> Option<Reference> {
    FIXED.into_iter().find(|(known, _)| *known == name).map(|(_, reference)| reference)
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
    /// `{{` that is never closed, and all behind it.
    Open(&'a str),
}

fn split(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match rest.find("{{") {
            Some(0) => match rest.find("}}") {
                Some(end) => {
                    let name = &rest[2..end];
                    rest = &rest[end + 2..];
                    Some(Part::Name(name.trim()))
                }
                None => Some(Part::Open(std::mem::take(&mut rest))),
            },
            Some(at) => {
                let (before, after) = rest.split_at(at);
                rest = after;
                Some(Part::Text(before))
            }
            None => Some(Part::Text(std::mem::take(&mut rest))),
        }
    })
}

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
        let known = services.iter().chain(&each).map(String::as_str).chain(fixed);
        Err(self.unknown(text, name).with_names(name, known))
    }

    /// Fills text of a request, in which nothing may stay open.
    pub(crate) fn text(&self, text: &Spanned<String>) -> Result<String, SuiteError> {
        let mut filled = String::new();
        for part in split(&text.value) {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Open(open) => return Err(self.unclosed(text, open)),
                Part::Name("user") if self.user.is_some() => filled.push_str(self.user.unwrap_or_default()),
                Part::Name(name) => match self.each_value(name) {
                    Some(value) => filled.push_str(&value.to_string()),
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

    fn json_at(
        &self,
        json: &serde_json::Value,
        at: serde_saphyr::Location,
    ) -> Result<serde_json::Value, SuiteError> {
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
                error.with_names(name, each.iter().map(String::as_str).chain(self.user.map(|_| "user")))
            }
        }
    }

    fn unclosed(&self, text: &Spanned<String>, open: &str) -> SuiteError {
        self.file.error_within(text.referenced, open, "`{{` is never closed by `}}`")
    }
}

/// The name, if the text is one reference and nothing else.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!name.contains("{{") && !name.contains("}}")).then(|| name.trim())
}
