//! Did the service answer what the suite expects?

mod expected_label_differs;
mod expected_span_missing;
mod unexpected_response;

use crate::Rule;

pub(crate) static ALL: &[&Rule] =
    &[&unexpected_response::RULE, &expected_span_missing::RULE, &expected_label_differs::RULE];
