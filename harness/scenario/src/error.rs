//! What is wrong with a suite file, and where: every error points at a line and column of it.
//!
//! Made by every module of this crate that reads a part of the file; shown by the command line through `miette`.

use std::borrow::Cow;
use std::fmt;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode, SourceSpan};
use serde_saphyr::{Location, MessageFormatter, UserMessageFormatter};
use spanwise_model::{Place, secret};

/// A mistake in a suite file. Printed alone it is the message; as a [`Diagnostic`] it shows the line of the file.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SuiteError {
    message: String,
    help: Option<String>,
    text: Box<NamedSource<String>>,
    span: SourceSpan,
    line: usize,
    column: usize,
}

impl SuiteError {
    /// The file's name, as it was given to the parser.
    pub fn file(&self) -> &str {
        self.text.name()
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Byte offset and length of what the error is about.
    pub fn span(&self) -> SourceSpan {
        self.span
    }

    /// What is wrong: a lower-case fragment.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where something can be said.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Adds what to do about it.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> SuiteError {
        self.help = Some(help.into());
        self
    }

    /// Adds "did you mean" if one of the known names is close to what was written, else lists them.
    pub(crate) fn with_names<'a>(
        self,
        written: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> SuiteError {
        let known: Vec<&str> = known.into_iter().collect();
        let closest = known
            .iter()
            .map(|name| (strsim::damerau_levenshtein(written, name), name))
            .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
            .min();
        match closest {
            Some((_, name)) => self.with_help(format!("did you mean `{name}`?")),
            None if known.is_empty() => self,
            // A list of dozens (the rules) helps nobody; the keys of a service are not so many.
            None if known.len() > 30 => self,
            None => self.with_help(format!("known here: {}", known.join(", "))),
        }
    }
}

impl Diagnostic for SuiteError {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.span))))
    }
}

/// The suite file under the reader's eyes.
#[derive(Clone, Copy)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl File<'_> {
    /// An error about the node that begins at a location.
    pub(crate) fn error(&self, at: Location, message: impl Into<String>) -> SuiteError {
        let (offset, length) = self.bytes(at);
        self.error_at(offset, length, message)
    }

    /// An error about one piece of text inside the node that begins at a location, such as a reference.
    pub(crate) fn error_within(&self, at: Location, piece: &str, message: impl Into<String>) -> SuiteError {
        let (offset, length) = self.bytes(at);
        match self.text[offset..].find(piece) {
            Some(found) => self.error_at(offset + found, piece.len(), message),
            None => self.error_at(offset, length, message),
        }
    }

    /// An error of the YAML reader.
    pub(crate) fn unreadable(&self, error: &serde_saphyr::Error) -> SuiteError {
        use serde_saphyr::Error::{
            ExternallyTaggedEnumExpectedScalarOrMapping, InvalidScalar, NullIntoString, SerdeMissingField,
            SerdeUnknownField, SerdeUnknownVariant, Unexpected,
        };
        let error = error.without_snippet();
        let at = error.location().unwrap_or(Location::UNKNOWN);
        match error {
            SerdeUnknownField { field, expected, .. } => {
                self.error(at, format!("unknown key `{field}`")).with_names(field, expected.iter().copied())
            }
            SerdeUnknownVariant { variant, expected, .. } => self
                .error(at, format!("unknown word `{variant}`"))
                .with_names(variant, expected.iter().copied()),
            SerdeMissingField { field, .. } => self.error(at, format!("the key `{field}` is missing here")),
            InvalidScalar { ty: "u16" | "u32" | "u64", .. } => {
                self.error(at, "this is a whole number, 0 or more")
            }
            // The reader's own words are those of its grammar.
            Unexpected { expected: "sequence start", .. } => self
                .error(at, "this is a list")
                .with_help("write `[ITEM, ITEM]`, or a line with `- ITEM` for each"),
            Unexpected { expected: "mapping start", .. } => self
                .error(at, "this is a mapping")
                .with_help("write `{ KEY: VALUE }`, or a line with `KEY: VALUE` for each"),
            Unexpected { expected: "string scalar", .. }
            | ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
                self.error(at, "this is text, no list and no mapping")
            }
            NullIntoString { .. } => self.error(at, "this is text, and empty; write `\"\"` if it is to be"),
            other => self.error(at, UserMessageFormatter.format_message(other)),
        }
    }

    fn error_at(&self, offset: usize, length: usize, message: impl Into<String>) -> SuiteError {
        let (line, column) = self.line_and_column(offset);
        SuiteError {
            message: without_secrets(&message.into()),
            help: None,
            text: Box::new(NamedSource::new(self.name, without_secrets(self.text))),
            span: (offset, length).into(),
            line,
            column,
        }
    }

    /// Where the node that begins at a location stands.
    pub(crate) fn place(&self, at: Location) -> Place {
        let (line, column) = self.line_and_column(self.bytes(at).0);
        Place { file: self.name.into(), line, column }
    }

    /// The text of a scalar in one line that begins at a location.
    pub(crate) fn written(&self, at: Location) -> &str {
        let (offset, length) = self.bytes(at);
        self.text.get(offset..offset + length).unwrap_or_default().trim()
    }

    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// Where a node stands in the text, no further than to the end of its first line.
    fn bytes(&self, at: Location) -> (usize, usize) {
        // YAML's own errors may have no place.
        let line_start: usize =
            self.text.split_inclusive('\n').take((at.line() as usize).saturating_sub(1)).map(str::len).sum();
        let line = self.text[line_start..].lines().next().unwrap_or_default();
        let column = (at.column() as usize).saturating_sub(1);
        let from = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
        let rest = &line[from..];
        let length = rest.chars().take(at.span().len().max(1) as usize).map(char::len_utf8).sum();
        (line_start + from, length)
    }
}

/// Ends a word.
const BREAKS: [char; 8] = [' ', '\t', '\r', '\n', ',', '"', '\'', '`'];

/// The text with stars for every word that is a secret, as many as it has bytes, so that places in the text stay. The lines around
/// a mistake get into the logs of the machine on which it is found.
fn without_secrets(text: &str) -> String {
    let words = text.split_inclusive(BREAKS);
    let shown = words.map(|word| match secret::text(word) {
        Cow::Borrowed(word) => word.to_owned(),
        Cow::Owned(_) => {
            let end = word.trim_end_matches(BREAKS);
            "*".repeat(end.len()) + &word[end.len()..]
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnc2lnc2lnc2ln";

    /// Compares the shown file with what is written, where a `*` stands for the stars of a token.
    #[track_caller]
    fn check(written: &str, shown: &str) {
        let stars = "*".repeat(TOKEN.len());
        assert_eq!(without_secrets(&written.replace("TOKEN", TOKEN)), shown.replace('*', &stars));
    }

    #[test]
    fn what_is_shown_of_a_file_holds_no_secret() {
        check("env:\n- name: A\n  value: TOKEN\n", "env:\n- name: A\n  value: *\n");
        check("a: \"Bearer TOKEN\", b: 'TOKEN'", "a: \"Bearer *\", b: '*'");
        check("unknown word `TOKEN`", "unknown word `*`");
        check("suite: d\u{e9}mo\r\n  a: [b, \"c d\"]\n", "suite: d\u{e9}mo\r\n  a: [b, \"c d\"]\n");
        let error =
            File { name: "a.yaml", text: TOKEN }.error(Location::UNKNOWN, format!("unknown word `{TOKEN}`"));
        let shown = miette::Report::new(error);
        assert!(!format!("{shown:?}").contains("eyJ"), "{shown:?}");
    }
}
