//! The definition, in f64.

/// `x · σ(a·x + b·x³)` of each value.
pub(super) fn gate(x: &[f32], linear: f32, cubic: f32) -> Vec<f64> {
    x.iter()
        .map(|x| {
            let (x, a, b) = (f64::from(*x), f64::from(linear), f64::from(cubic));
            x / (1.0 + (-(a * x + b * x * x * x)).exp())
        })
        .collect()
}
