//! The definition: a plain loop.

use crate::latents::Latents;

/// `[f]`.
pub(in crate::kernels) fn count(latents: &Latents, features: usize) -> Vec<u32> {
    let mut counts = vec![0; features];
    for row in 0..latents.rows() {
        for (feature, act) in latents.row(row) {
            if act != 0.0 {
                counts[feature.index()] += 1;
            }
        }
    }
    counts
}
