//! Inputs: one value, cancelling ones, large beside small ones, more than a chunk.

/// All of them; the largest last.
pub(super) fn all() -> Vec<(Vec<f32>, Vec<f32>)> {
    let numbers = |n: usize, step: usize| -> Vec<f32> {
        (0..n)
            .map(|i| (i * step % 199) as f32 / 100.0 - 1.0)
            .collect()
    };
    vec![
        (vec![0.5], vec![-0.25]),
        (vec![1.0, -3.0, 1e30], vec![-1.0, 3.0, 1.0]),
        (numbers(200_001, 37), numbers(200_001, 53)),
    ]
}
