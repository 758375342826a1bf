//! The semantic conventions as data: which schema the rules go by.
//!
//! Rules of the family `labels` read these tables; the names of one concept over all generations are in
//! [`crate::semconv`].

/// The version of the semantic conventions that the tables hold.
pub const SCHEMA: &str = "1.42";
