//! Draws of a seed.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::Result;

/// Creates the source of draws of `seed`.
pub(super) fn source(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Draws a standard normal number (Box and Muller 1958).
pub(super) fn one_normal(rng: &mut ChaCha8Rng) -> f64 {
    let (a, b): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// Draws a matrix of standard normal numbers, row by row.
pub(super) fn normal(rows: usize, columns: usize, seed: u64) -> Result<Matrix> {
    let mut rng = source(seed);
    let values = (0..rows * columns).map(|_| one_normal(&mut rng) as f32);
    Matrix::new(rows, columns, values.collect())
}

/// Draws `count` different numbers below `of`, which holds at least as many.
pub(super) fn different(count: usize, of: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut all: Vec<u32> = (0..of as u32).collect();
    for i in 0..count.min(of) {
        let other = rng.random_range(i..of);
        all.swap(i, other);
    }
    all.truncate(count);
    all
}
