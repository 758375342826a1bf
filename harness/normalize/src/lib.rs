//! Spans to trees: stable ids, canonical order, scrubbed values.
