//! The definition: plain loops in f64.

use super::Normalize;

/// Rows of `x [n, d]`, normalised and scaled.
pub(super) fn normalize(x: &[f32], d: usize, op: &Normalize) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks_exact(d) {
        let row: Vec<f64> = row.iter().map(|v| f64::from(*v)).collect();
        let mean = if op.centred {
            row.iter().sum::<f64>() / d as f64
        } else {
            0.0
        };
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / d as f64;
        for (i, v) in row.iter().enumerate() {
            let part = |of: &Option<Vec<f32>>, none: f64| of.as_ref().map_or(none, |p| p[i].into());
            let normal = (v - mean) / (variance + op.eps).sqrt();
            y.push(normal * part(&op.weight, 1.0) + part(&op.bias, 0.0));
        }
    }
    y
}
