//! Exclusive sums and a stable sort of u32 keys with a u32 payload, on a device.
//!
//! | operation | result | function |
//! |---|---|---|
//! | exclusive sums | `out[i] = values[0] + … + values[i − 1]`, modulo 2³² | [`gpu::exclusive_sums`] |
//! | sort | keys ascending in their low `bits`, each with its payload; equal keys keep their order | [`sort`] |
//! | bounds | `bounds[v]` = number of sorted keys below `v`, for `v` in `0..=values` | [`bounds`] |
//! | gather | `out[i] = from[order[i]]` | [`gather`] |
//!
//! The sort takes eight bits per pass, lowest first: it counts the digits of each block of keys, sums the counts over (digit, block), and writes every key to
//! its place. All values are integers, so results are exact: the tolerance is none.

#[cfg(test)]
mod cases;
mod gpu;
#[cfg(test)]
mod gpu_tests;
#[cfg(test)]
mod reference;

#[cfg(test)]
pub(crate) use gpu::KERNELS;
pub(crate) use gpu::{bits_below, bounds, gather, sort};
