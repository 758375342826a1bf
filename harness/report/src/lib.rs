//! Reporters: one file each, all fed by the same events.
