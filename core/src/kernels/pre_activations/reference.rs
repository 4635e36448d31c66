//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;

/// All pre-activations of one row, `[f]`.
pub(in crate::kernels) fn pre_activations(
    centred: &[f32],
    w_enc: &Matrix,
    b_enc: &[f32],
) -> Vec<f64> {
    w_enc
        .iter_rows()
        .zip(b_enc)
        .map(|(weights, bias)| {
            let mut sum = f64::from(*bias);
            for (x, w) in centred.iter().zip(weights) {
                sum += f64::from(*x) * f64::from(*w);
            }
            sum
        })
        .collect()
}
