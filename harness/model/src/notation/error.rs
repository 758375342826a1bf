//! Why a text is no observation, and where.

/// Why a text is no observation, and where. Lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: expected {expected}, found {found}")]
pub struct NotationError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What could have stood there, in words.
    pub expected: String,
    /// What stands there: the next word, or `the end of the line`.
    pub found: String,
}
