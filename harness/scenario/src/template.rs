//! Text with references in it: `{{backend-service.url}}`, `{{collector.otlp_grpc}}`, `{{each.code}}`, `{{user}}`.
//!
//! What the plan knows (`each`, `user`) is filled in by `names`; what only the run loop knows (addresses, files) stays as
//! pieces of a [`Template`], which it fills when it starts a service.

use std::fmt;

/// Text of a service's environment or command line, or of a command that calls services, with what is only known when it is
/// started left open.
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
pub(crate) const RESERVED: [&str; 9] =
    ["collector", "untrusted", "refused", "ca", "port", "metadata", "each", "user", "steps"];

pub(crate) const FIXED: [(&str, Reference); 9] = [
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

pub(crate) fn fixed(name: &str) -> Option<Reference> {
    FIXED.into_iter().find(|(known, _)| *known == name).map(|(_, reference)| reference)
}

pub(crate) enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
    /// `{{` that is never closed, and all behind it.
    Open(&'a str),
}

pub(crate) fn split(text: &str) -> impl Iterator<Item = Part<'_>> {
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

/// The name, if the text is one reference and nothing else.
pub(crate) fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{")?.strip_suffix("}}")?;
    (!name.contains("{{") && !name.contains("}}")).then(|| name.trim())
}
