//! Sums over the rows of a table on a device: `squared = Σ x²`, `columns[c] = Σ_r x[r, c]`; and the total of a list.
//!
//! | tensor | shape |
//! |---|---|
//! | `x` | `[n, d]` |
//! | `columns` | `[d]`, f64 on the host |
//! | `squared` | one value, f64 on the host |
//!
//! The device sums blocks of [`ROWS`] rows in f32, in an order that depends on nothing but the shape; the host joins the blocks in f64. Of each block the
//! device keeps the sums of its columns and the squares **about the block's own means**, so that `squared − Σ columns² / n`, the spread about the mean, does
//! not lose its digits where the mean is far larger than the spread.
//!
//! Bounds, with u = 2⁻²⁴ (a block's column is 16 rows in each of 8 lanes, then a tree: 16 + 3 roundings; squares 16 + 8, and 2 of the difference):
//!
//! | result | error at most |
//! |---|---|
//! | `columns[c]` | 19·u · Σ abs(x[·, c]) |
//! | `squared` | 28·u · Σ x² + 2·19·u · Σ abs(x)·abs(column mean) |
//! | spread about the mean | 28·u · spread + 2·19·u · Σ abs(x)·abs(block mean − mean), of second order in u where means are equal |
//! | total of a list | 24·u · Σ abs(x) |

#[cfg(test)]
pub(super) mod cases;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(test)]
pub(super) mod reference;
