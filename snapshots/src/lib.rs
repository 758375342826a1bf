//! The conformance tests of the demo suite and their reviewed snapshots; see `tests/conformance/main.rs`.
//!
//! The snapshots stand beside this file's folder, one folder a suite and one file a group of permutations that must
//! agree. `cargo insta review` finds them because this is a package.
