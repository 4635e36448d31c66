//! The definition: plain loops in f64.

/// Causal softmax of `scale · scores` for rows of `s`, `t` of them a sequence.
pub(super) fn causal_softmax(scores: &[f32], t: usize, s: usize, scale: f64) -> Vec<f64> {
    let mut out = vec![0.0; scores.len()];
    for (row, scores) in scores.chunks_exact(s).enumerate() {
        let seen = row % t + 1 + s - t;
        let scaled: Vec<f64> = scores[..seen]
            .iter()
            .map(|v| f64::from(*v) * scale)
            .collect();
        let most = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = scaled.iter().map(|v| (v - most).exp()).sum();
        for (j, v) in scaled.iter().enumerate() {
            out[row * s + j] = (v - most).exp() / sum;
        }
    }
    out
}
