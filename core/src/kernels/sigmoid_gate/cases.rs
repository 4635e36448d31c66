//! Inputs: usual, ragged, saturated, zero.

/// Values per case.
pub(super) fn all() -> Vec<Vec<f32>> {
    let spread = |n: usize, width: f32| -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0) * width)
            .collect()
    };
    vec![
        spread(1, 1.0),
        spread(37, 3.0),
        spread(20_000, 8.0),
        spread(64, 60.0),
        vec![0.0; 17],
    ]
}
