//! One line of a text in the notation, read piece by piece. The parser uses it; it knows words and quotes, and nothing of
//! spans.

use super::error::NotationError;

/// A line with a place in it.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    text: &'a str,
    number: usize,
    at: usize,
}

/// One piece of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    /// `"text"`
    Text(String),
    /// `SERVER`, `503`, `->`
    Word(String),
    /// `key=`; the value comes next. `true` for a key in quotes, which is always a label.
    Key(String, bool),
    /// `!key`
    Absent(String),
    /// `name:`; a header's value comes next.
    Header(String),
}

impl<'a> Line<'a> {
    pub(super) fn new(text: &'a str, number: usize) -> Line<'a> {
        Line { text: text.trim_end(), number, at: 0 }
    }

    /// The whole line.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// Takes the spaces at the beginning and says how many there were.
    pub(super) fn indent(&mut self) -> usize {
        let from = self.at;
        self.skip_spaces();
        self.at - from
    }

    /// Where the next piece begins, for errors that are found later.
    pub(super) fn place(&mut self) -> Place {
        self.skip_spaces();
        Place { line: self.number, column: self.text[..self.at].chars().count() + 1 }
    }

    /// The error that something else should stand here.
    pub(super) fn expected(&mut self, expected: impl Into<String>) -> NotationError {
        let place = self.place();
        let word = self.rest().split(char::is_whitespace).next().unwrap_or_default();
        place.expected(expected, word)
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&mut self) -> bool {
        self.skip_spaces();
        self.rest().is_empty()
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Takes a prefix, if it stands here.
    pub(super) fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    /// The next piece; `None` at the end.
    pub(super) fn item(&mut self) -> Result<Option<Item>, NotationError> {
        if self.is_done() {
            return Ok(None);
        }
        if self.rest().starts_with('!') {
            self.at += 1;
            let key = if self.rest().starts_with('"') { self.quoted()? } else { self.plain("!=\"") };
            return Ok(Some(Item::Absent(key)));
        }
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            return Ok(Some(if self.take("=") {
                Item::Key(text, true)
            } else if self.take(":") {
                Item::Header(text)
            } else {
                Item::Text(text)
            }));
        }
        let word = self.plain("=\"");
        if self.take("=") {
            return Ok(Some(Item::Key(word, false)));
        }
        if word.is_empty() {
            return Err(self.expected("a word, a label key=value or a text in quotes"));
        }
        Ok(Some(match word.strip_suffix(':') {
            Some(name) if !name.is_empty() => Item::Header(name.to_owned()),
            _ => Item::Word(word),
        }))
    }

    /// Everything up to the next space.
    pub(super) fn word(&mut self) -> String {
        self.plain("")
    }

    /// Everything up to the next space or one of `ends`.
    pub(super) fn plain(&mut self, ends: &str) -> String {
        let rest = self.rest();
        let end = rest.find(|c: char| c.is_whitespace() || ends.contains(c)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    /// A text in quotes, without them.
    pub(super) fn quoted(&mut self) -> Result<String, NotationError> {
        self.quoted_raw().map(|raw| super::text::unescape(&raw))
    }

    /// A text in quotes, without them, its escapes as they are.
    pub(super) fn quoted_raw(&mut self) -> Result<String, NotationError> {
        if !self.rest().starts_with('"') {
            return Err(self.expected("a text in quotes"));
        }
        let rest = self.rest();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.at += at + 1;
                    return Ok(rest[1..at].to_owned());
                }
                _ => {}
            }
        }
        Err(self.expected("a closing quote on the same line"))
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }
}

/// A place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The error that something else should stand here.
    pub(super) fn expected(self, expected: impl Into<String>, found: &str) -> NotationError {
        let found = match found {
            "" => "the end of the line".to_owned(),
            text => format!("`{text}`"),
        };
        NotationError { line: self.line, column: self.column, expected: expected.into(), found }
    }
}
