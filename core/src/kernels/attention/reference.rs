//! The definition: plain loops in f64.

use super::cases::Case;

fn nested(x: &candle_core::Tensor) -> Vec<Vec<Vec<Vec<f32>>>> {
    let b = x.dim(0).unwrap();
    (0..b)
        .map(|i| x.get(i).unwrap().to_vec3().unwrap())
        .collect()
}

/// `[b, h, t, s]`.
pub(super) fn pattern(case: &Case) -> Vec<f64> {
    let (b, t, h, _) = case.q.dims4().unwrap();
    let (_, s, h_kv, _) = case.k.dims4().unwrap();
    let (q, k) = (nested(&case.q), nested(&case.k));
    let mut all = Vec::new();
    for row in 0..b * h * t {
        let (b, h_q, query) = (row / (h * t), row / t % h, row % t);
        let score = |key: usize| -> f64 {
            let pairs = q[b][query][h_q].iter().zip(&k[b][key][h_q / (h / h_kv)]);
            let products = pairs.map(|(q, k)| f64::from(*q) * f64::from(*k));
            products.sum::<f64>() * case.scale
        };
        let seen = s - t + query;
        let largest = (0..=seen).map(score).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..=seen).map(|key| (score(key) - largest).exp()).sum();
        all.extend((0..=seen).map(|key| (score(key) - largest).exp() / sum));
        all.extend((seen + 1..s).map(|_| 0.0));
    }
    all
}

/// `[b, t, h, e]` from `pattern`.
pub(super) fn mix(case: &Case, pattern: &[f64]) -> Vec<f64> {
    let (b, t, h, e) = case.q.dims4().unwrap();
    let (_, s, h_kv, _) = case.k.dims4().unwrap();
    let v = nested(&case.v);
    let entry = |i: usize| -> f64 {
        let (b, query, h_q, i) = (i / (t * h * e), i / (h * e) % t, i / e % h, i % e);
        let weight = |key: usize| pattern[((b * h + h_q) * t + query) * s + key];
        let value = |key: usize| f64::from(v[b][key][h_q / (h / h_kv)][i]);
        (0..s).map(|key| weight(key) * value(key)).sum()
    };
    (0..b * t * h * e).map(entry).collect()
}
