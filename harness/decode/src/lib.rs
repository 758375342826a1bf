//! Payload bytes to model spans plus defects; no I/O.
