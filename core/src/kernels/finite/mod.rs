//! Whether all values of tables are finite numbers: one flag for all of them.
//!
//! | tensor | shape |
//! |---|---|
//! | values | `[rows, columns]` f32 |
//! | flag | `[1]` u32: not 0 where an exponent has all its bits set |
//!
//! Exact: a test of bits, whose order cannot show.

pub(crate) mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
mod reference;
