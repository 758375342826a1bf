//! Which words may be components of a permutation's full name.

use crate::spanned::Spanned;

use crate::error::{File, SuiteError};

/// Refuses a word that cannot stand in a full name: names become paths of files, on every system, and patterns.
pub(crate) fn component(file: File<'_>, word: &Spanned<String>, what: &str) -> Result<(), SuiteError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text = &word.value;
    if !text.is_empty() && text.chars().all(fits) && !text.contains("__") && !text.starts_with('.') {
        return Ok(());
    }
    let message = format!("{text:?} cannot be a {what}: it becomes part of permutations' names");
    let help = "use letters, digits, `-`, `.` and single `_`, and do not begin with `.`";
    Err(file.error(word.referenced, message).with_help(help))
}
