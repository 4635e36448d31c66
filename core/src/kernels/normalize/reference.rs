//! The definition, in f64.

use super::Normalization;

/// One row normalised.
pub(super) fn normalize(x: &[f32], how: Normalization) -> Vec<f64> {
    let d = x.len() as f64;
    let mean = if how.centred {
        x.iter().map(|v| f64::from(*v)).sum::<f64>() / d
    } else {
        0.0
    };
    let variance = x
        .iter()
        .map(|v| (f64::from(*v) - mean).powi(2))
        .sum::<f64>()
        / d;
    x.iter()
        .map(|v| (f64::from(*v) - mean) / (variance + how.eps).sqrt())
        .collect()
}
