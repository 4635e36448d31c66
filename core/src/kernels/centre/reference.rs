//! The definition: plain loops in f64.

use crate::dims::Matrix;

/// `[n, d]`: columns `at..` of `x`, scaled, less `less [d]`.
pub(in crate::kernels) fn centre(x: &Matrix, at: usize, less: &[f32], scale: f32) -> Vec<f64> {
    let mut out = Vec::new();
    for row in x.iter_rows() {
        for (x, less) in row[at..].iter().zip(less) {
            out.push(f64::from(scale) * f64::from(*x) - f64::from(*less));
        }
    }
    out
}
