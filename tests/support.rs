//! Fixtures, paths and tolerances of the whole-program tests.
