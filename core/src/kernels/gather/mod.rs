//! Some rows of a table: `out[i] = table[list[i]]`, bytes unchanged.
//!
//! | tensor | shape |
//! |---|---|
//! | `table` | `[rows, columns]` |
//! | `list` | `[count]` |
//! | result | `[count, columns]` |
//!
//! The CPU's form is `Matrix::rows_of`.

pub(crate) mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
mod reference;
