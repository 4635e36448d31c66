//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;
use crate::latents::Latents;

/// Reconstruction, row-major `[n, d]`.
pub(in crate::kernels) fn sparse_decode(
    latents: &Latents,
    w_dec: &Matrix,
    b_dec: &[f32],
) -> Vec<f64> {
    let mut out = Vec::new();
    for i in 0..latents.rows() {
        for (c, bias) in b_dec.iter().enumerate() {
            let mut sum = f64::from(*bias);
            for (feature, act) in latents.row(i) {
                sum += f64::from(act) * f64::from(w_dec.row(feature.index())[c]);
            }
            out.push(sum);
        }
    }
    out
}
