//! The repository's own chores: tidy, new-rule, generated pages.
