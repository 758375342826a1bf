//! Did every span get out?

mod batch_too_large;
mod export_refused;
mod malformed_telemetry;
mod nothing_received;
mod stray_span;

use crate::Rule;

pub(crate) static ALL: &[&Rule] = &[
    &nothing_received::RULE,
    &malformed_telemetry::RULE,
    &stray_span::RULE,
    &export_refused::RULE,
    &batch_too_large::RULE,
];
