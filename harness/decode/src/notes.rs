//! What was found wrong while a message was read, with its place: the making of [`Defect`]s.
//!
//! Places are written from the inside out, so that reading whole messages costs nothing for them.

use std::fmt::Display;

use spanwise_model::{Defect, DefectKind, Span};

/// What was found wrong in the message being read.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<Note>,
    /// Whether the walk of some message ended early: fields behind that place are unknown.
    broken: bool,
}

#[derive(Debug)]
struct Note {
    place: String,
    detail: String,
    /// Whether it is of a text that was read and cut wrongly.
    is_cut: bool,
}

impl Notes {
    /// Notes a field that could not be read.
    pub(crate) fn add(&mut self, place: &str, detail: impl Into<String>) {
        self.list.push(Note { place: place.to_owned(), detail: detail.into(), is_cut: false });
    }

    /// Notes a text that was cut in the middle of a character, or that says wrongly how much was cut off.
    pub(crate) fn cut(&mut self, place: &str, detail: impl Into<String>) {
        self.list.push(Note { place: place.to_owned(), detail: detail.into(), is_cut: true });
    }

    /// Notes a place behind which the rest of a message could not be read.
    pub(crate) fn broken(&mut self, place: &str, detail: impl Display) {
        self.broken = true;
        self.add(place, format!("{detail}; what follows is unknown"));
    }

    /// Reads something within a field, whose name then stands before the places noted there.
    pub(crate) fn within<T>(
        &mut self,
        name: impl FnOnce() -> String,
        read: impl FnOnce(&mut Notes) -> T,
    ) -> T {
        let before = self.list.len();
        let value = read(self);
        if self.list.len() > before {
            let name = name();
            for note in &mut self.list[before..] {
                let dot = if note.place.is_empty() { "" } else { "." };
                note.place = format!("{name}{dot}{}", note.place);
            }
        }
        value
    }

    /// Whether a span counts as read: not where one of its ids went with the damage.
    pub(crate) fn is_span_read(&self, span: &Span) -> bool {
        !self.broken || (span.trace_id.is_valid() && span.span_id.is_valid())
    }

    /// The defects of a span.
    pub(crate) fn into_span_defects(self, span: &Span) -> Vec<Defect> {
        let kind = if self.is_span_read(span) { DefectKind::Field } else { DefectKind::Span };
        let trace_id = Some(span.trace_id).filter(|id| id.is_valid());
        let span_id = Some(span.span_id).filter(|id| id.is_valid());
        let defect = |note: Note| Defect { trace_id, span_id, ..note.defect(kind) };
        self.list.into_iter().map(defect).collect()
    }

    /// The defects of something that is shared by spans.
    pub(crate) fn into_defects(self) -> Vec<Defect> {
        self.list.into_iter().map(|note| note.defect(DefectKind::Field)).collect()
    }
}

impl Note {
    fn defect(self, kind: DefectKind) -> Defect {
        defect(if self.is_cut { DefectKind::Cut } else { kind }, self.place, self.detail)
    }
}

/// A defect of which only kind, place and detail are known yet.
pub(crate) fn defect(kind: DefectKind, place: String, detail: String) -> Defect {
    Defect { kind, source: None, export: None, place, detail, trace_id: None, span_id: None }
}
