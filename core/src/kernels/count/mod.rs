//! Tokens on which each feature fired: `counts[f]` = entries of feature `f` whose activation is not 0; and their number in all.
//!
//! | tensor | shape |
//! |---|---|
//! | codes | `nnz` entries |
//! | `counts` | `[f]`, u32 |
//! | `active` | `[1]`, u32 |
//!
//! Exact: whole numbers, added by atomics, whose order cannot show. Zero is tested by bits, −0 included, since a device may take denormals for 0. The CPU
//! counts in `train`, with what it does for each feature.

#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;
