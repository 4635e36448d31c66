//! Inputs: lengths around a vector's width, gradients of every size, zero gradients.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Parameters, moments, gradients of one row, all of one length.
pub(in crate::kernels) type Case = [Vec<f32>; 4];

/// All cases.
pub(in crate::kernels) fn all() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    [1, 15, 16, 17, 256]
        .into_iter()
        .map(|d| {
            let mut row = |least: f32, scale: f32| {
                (0..d)
                    .map(|i| match i % 5 {
                        4 => 0.0,
                        power => rng.random_range(least..1.0) * scale * 10_f32.powi(-2 * power),
                    })
                    .collect::<Vec<_>>()
            };
            [
                row(-1.0, 1.0),
                row(-1.0, 1.0),
                row(0.0, 1.0),
                row(-1.0, 1.0),
            ]
        })
        .collect()
}
