//! The definition: plain loops in f64.

/// The sums, rounded once.
pub(super) fn add(a: &[f32], b: &[f32]) -> Vec<f32> {
    let each = a.iter().zip(b);
    each.map(|(a, b)| (f64::from(*a) + f64::from(*b)) as f32)
        .collect()
}
