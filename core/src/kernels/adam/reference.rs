//! The definition in f64, never optimised.

use super::{BETA1, BETA2, EPSILON};

/// Parameter, first and second moment after step `t` of one scalar.
pub(in crate::kernels) fn adam(
    [p, m, v]: [f64; 3],
    g: f64,
    learning_rate: f64,
    t: i32,
) -> [f64; 3] {
    let (beta1, beta2) = (f64::from(BETA1), f64::from(BETA2));
    let m = beta1 * m + (1.0 - beta1) * g;
    let v = beta2 * v + (1.0 - beta2) * g * g;
    let corrected = m / (1.0 - beta1.powi(t));
    let root = (v / (1.0 - beta2.powi(t))).sqrt();
    [
        p - learning_rate * corrected / (root + f64::from(EPSILON)),
        m,
        v,
    ]
}
