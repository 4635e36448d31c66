//! `product[n, f] = left[n, d] · right[f, d]ᵀ` on a device: tiles of sums in registers, which other operations search before anything is stored.
//!
//! | tensor | shape |
//! |---|---|
//! | `left` | `[n, d]` |
//! | `right` | `[f, d]` |
//! | result | `[n, f]` |
//!
//! Each sum takes its products in ascending d by `fma`, in blocks of 128 whose sums are added in ascending order, whatever the tile, the slices of a run or
//! the blocks of a table: all tiles give the same bytes on one device.
//!
//! Tolerance: 1e-5 relative to Σ|left·right|. With u = 2⁻²⁴, a sum passes at most 128 + d/128 roundings, each relative to a partial sum ≤ Σ|left·right|, so the
//! error is at most (128 + d/128)·u·Σ|left·right|: 9.6e-6 at d = 4,096. A device whose `fma` rounds twice adds one u. Values below 2⁻¹²⁶ may count as 0.

#[cfg(test)]
mod cases;
mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
mod reference;

pub(crate) use gpu::{Family, Params, Tile, family, pieces, product, tune};
#[cfg(test)]
pub(crate) use gpu::{KERNELS, TILES};
