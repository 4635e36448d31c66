//! The definition: plain loops, f64, never optimised.

use crate::dims::Matrix;

/// `left · rightᵀ`, row by row.
pub(super) fn product(left: &Matrix, right: &Matrix) -> Vec<f64> {
    let mut values = Vec::new();
    for row in left.iter_rows() {
        for column in right.iter_rows() {
            let mut sum = 0.0;
            for (a, b) in row.iter().zip(column) {
                sum += f64::from(*a) * f64::from(*b);
            }
            values.push(sum);
        }
    }
    values
}
