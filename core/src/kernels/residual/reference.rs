//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;
use crate::latents::Latents;

/// Residual `[n, d]` and `d_acts [nnz]`.
pub(in crate::kernels) fn residual(
    target: &Matrix,
    latents: &Latents,
    w_dec: &Matrix,
    scale: f64,
) -> (Vec<f64>, Vec<f64>) {
    let (mut residual, mut d_acts) = (Vec::new(), Vec::new());
    for i in 0..latents.rows() {
        let start = residual.len();
        for (c, value) in target.row(i).iter().enumerate() {
            let mut left = f64::from(*value);
            for (feature, act) in latents.row(i) {
                left -= f64::from(act) * f64::from(w_dec.row(feature.index())[c]);
            }
            residual.push(left);
        }
        for (feature, _) in latents.row(i) {
            let mut sum = 0.0;
            for (w, left) in w_dec.row(feature.index()).iter().zip(&residual[start..]) {
                sum += f64::from(*w) * left;
            }
            d_acts.push(scale * sum);
        }
    }
    (residual, d_acts)
}
