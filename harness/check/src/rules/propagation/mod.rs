//! What was really on the wire?

mod context_not_sent;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[&context_not_sent::RULE];
