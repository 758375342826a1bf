//! Labels as they are written, and as they are once what is implied has been added.

use crate::Value;
use crate::notation::error::NotationError;
use crate::notation::line::{Item, Line};
use crate::notation::value::read_value;

/// Labels as written: those with a value, and those said to be absent.
#[derive(Debug, Default)]
pub(super) struct Labels {
    pub(super) written: Vec<(String, Value)>,
    pub(super) absent: Vec<String>,
}

impl Labels {
    /// Adds what is implied, unless it is written or absent; sorts by key.
    pub(super) fn complete(self, implied: Vec<(String, Value)>) -> Vec<(String, Value)> {
        let Labels { mut written, absent } = self;
        let implied = implied
            .into_iter()
            .filter(|(key, _)| !absent.contains(key) && !written.iter().any(|(name, _)| name == key));
        let implied: Vec<_> = implied.collect();
        written.extend(implied);
        written.sort_by(|(a, _), (b, _)| a.cmp(b));
        written
    }
}

/// The rest of a line as labels.
pub(super) fn read_labels(line: &mut Line<'_>) -> Result<Vec<(String, Value)>, NotationError> {
    let mut labels = Vec::new();
    while !line.is_done() {
        match line.clone().item()? {
            Some(Item::Key(key, _)) => {
                line.item()?;
                labels.push((key, read_value(line)?));
            }
            _ => return Err(line.expected("a label key=value")),
        }
    }
    Ok(labels)
}
