//! Draws of a seed.

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;

/// Streams of a seed: what they are for.
pub(super) const VECTORS: u64 = 1;
/// Rows.
pub(super) const ROWS: u64 = 2;
/// Order of the rows in training.
pub(super) const ORDER: u64 = 3;
/// Values shuffled over the rows.
pub(super) const SHUFFLE: u64 = 4;
/// Rows that are held out.
pub(super) const HELD_OUT: u64 = 5;
/// Rows that become an encoder.
pub(super) const ENCODER: u64 = 6;

/// Creates stream `stream` of a seed.
pub(super) fn source(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// Draws a standard normal number (Box and Muller 1958).
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// Draws a matrix of standard normal numbers, row by row.
pub(super) fn normals(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Result<Matrix> {
    let values = (0..rows * columns).map(|_| normal(rng) as f32);
    Matrix::new(rows, columns, values.collect())
}

/// Draws an order of the numbers below `count`.
pub(super) fn order(count: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.shuffle(rng);
    order
}

/// Draws a number below `count`.
pub(super) fn below(count: usize, rng: &mut ChaCha8Rng) -> usize {
    rng.random_range(0..count)
}
