//! Can these times be?

mod child_outside_parent;
mod ends_before_start;
mod time_implausible;

use crate::Rule;

pub(crate) static ALL: &[&Rule] =
    &[&ends_before_start::RULE, &child_outside_parent::RULE, &time_implausible::RULE];
