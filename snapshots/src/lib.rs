//! The conformance tests of the demo suite and their reviewed snapshots.
