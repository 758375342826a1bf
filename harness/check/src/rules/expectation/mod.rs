//! Did the service answer what the suite expects?

mod unexpected_response;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[&unexpected_response::RULE];
