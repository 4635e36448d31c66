//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;

/// Sum of the rows of `w_enc`, each times its weight, `[d]`; or, of magnitudes, what rounding is relative to.
pub(in crate::kernels) fn through(weights: &[f64], w_enc: &Matrix, magnitudes: bool) -> Vec<f64> {
    let mut sums = vec![0.0; w_enc.columns()];
    for (weight, row) in weights.iter().zip(w_enc.iter_rows()) {
        for (sum, w) in sums.iter_mut().zip(row) {
            let product = weight * f64::from(*w);
            *sum += if magnitudes { product.abs() } else { product };
        }
    }
    sums
}
