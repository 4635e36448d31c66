//! The definition: plain loops, f64 accumulation, never optimised.

use crate::dims::Matrix;

/// Σ x², Σ over rows by column, and Σ‖x − mean‖².
pub(in crate::kernels) fn sums(x: &Matrix) -> (f64, Vec<f64>, f64) {
    let mut squared = 0.0;
    let mut columns = vec![0.0; x.columns()];
    for row in x.iter_rows() {
        for (sum, value) in columns.iter_mut().zip(row) {
            *sum += f64::from(*value);
            squared += f64::from(*value) * f64::from(*value);
        }
    }
    let mut spread = 0.0;
    for row in x.iter_rows() {
        for (sum, value) in columns.iter().zip(row) {
            spread += (f64::from(*value) - sum / x.rows() as f64).powi(2);
        }
    }
    (squared, columns, spread)
}
