//! The block `expected:`: trees of spans of which only a part is said.

use crate::ExpectedSpan;
use crate::notation::error::NotationError;
use crate::notation::line::{Item, Line};
use crate::notation::value::read_value;

use super::words::{kind, status};

/// Trees under construction: the spans that lead to the last line, with their indentations.
#[derive(Debug, Default)]
pub(super) struct Expected {
    trees: Vec<ExpectedSpan>,
    open: Vec<(usize, ExpectedSpan)>,
}

impl Expected {
    /// Reads `api-service SERVER "POST /greet" status=UNSET key="*" !key`, where `*` leaves service or kind open.
    pub(super) fn read(&mut self, line: &mut Line<'_>, depth: usize) -> Result<(), NotationError> {
        self.close(depth);
        if self.open.len() >= ExpectedSpan::DEEPEST {
            let most = ExpectedSpan::DEEPEST;
            return Err(line.expected(format!("no more than {most} levels of expected spans")));
        }
        line.place();
        let service = if line.rest().starts_with('"') { line.quoted()? } else { line.word() };
        let place = line.place();
        let word = line.word();
        let kind = match word.as_str() {
            "*" => None,
            word => {
                Some(kind(word).ok_or_else(|| place.expected("a span kind such as SERVER, or `*`", word))?)
            }
        };
        line.place();
        let name = line.quoted()?;
        let mut span = ExpectedSpan { service, kind, name, ..ExpectedSpan::default() };
        loop {
            let place = line.place();
            match line.item()? {
                None => break,
                Some(Item::Absent(key)) => span.labels.push((key, None)),
                Some(Item::Key(key, false)) if key == "status" => {
                    let place = line.place();
                    let word = line.word();
                    let code = status(&word);
                    span.status =
                        Some(code.ok_or_else(|| place.expected("`ERROR`, `OK` or `UNSET`", &word))?);
                }
                Some(Item::Key(key, false)) if key == "step" => span.step = Some(line.quoted()?),
                Some(Item::Key(key, _)) => span.labels.push((key, Some(read_value(line)?))),
                Some(_) => return Err(place.expected("`status=`, `step=`, a label key=value or `!key`", "")),
            }
        }
        self.open.push((depth, span));
        Ok(())
    }

    /// The trees, complete.
    pub(super) fn finish(mut self) -> Vec<ExpectedSpan> {
        self.close(0);
        self.trees
    }

    /// Ends the spans that are not above a line of this indentation.
    fn close(&mut self, depth: usize) {
        while self.open.last().is_some_and(|(own, _)| *own >= depth) {
            let Some((_, span)) = self.open.pop() else { return };
            match self.open.last_mut() {
                Some((_, parent)) => parent.children.push(span),
                None => self.trees.push(span),
            }
        }
    }
}
