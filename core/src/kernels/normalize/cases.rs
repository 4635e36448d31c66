//! Inputs: with and without weight, bias, centring; ragged widths; an outlier; more rows than a chunk.

use super::Normalize;

/// One input.
pub(super) struct Case {
    pub(super) x: Vec<f32>,
    pub(super) d: usize,
    pub(super) op: Normalize,
}

/// All of them.
pub(super) fn all() -> Vec<Case> {
    let numbers =
        |n: usize| -> Vec<f32> { (0..n).map(|i| (i * 31 % 97) as f32 / 40.0 - 1.2).collect() };
    let op = |d: usize, centred: bool, scaled: bool| Normalize {
        centred,
        eps: 1e-5,
        weight: scaled.then(|| numbers(d)),
        bias: (scaled && centred).then(|| numbers(2 * d).split_off(d)),
    };
    let mut cases = Vec::new();
    for (n, d) in [(1, 1), (3, 5), (2, 37), (130, 64)] {
        for (centred, scaled) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut x = numbers(n * d);
            x[0] += 50.0;
            let op = op(d, centred, scaled);
            cases.push(Case { x, d, op });
        }
    }
    cases
}
