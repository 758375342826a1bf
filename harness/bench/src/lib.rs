//! Load and criterion benchmarks of the harness.
