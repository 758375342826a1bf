//! Plans a run: reads suite files, expands the matrix, names permutations, knows the known failures.
