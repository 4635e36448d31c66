//! The definition: plain loops in f64.

use super::cases::Case;

fn nested(x: &candle_core::Tensor) -> Vec<Vec<Vec<Vec<f32>>>> {
    let b = x.dim(0).unwrap();
    (0..b)
        .map(|i| x.get(i).unwrap().to_vec3().unwrap())
        .collect()
}

/// `[b, h, t, s]`, −∞ where a query may not look.
pub(super) fn scores(case: &Case) -> Vec<f64> {
    let (b, t, h, _) = case.q.dims4().unwrap();
    let (_, s, h_kv, _) = case.k.dims4().unwrap();
    let (q, k) = (nested(&case.q), nested(&case.k));
    let entry = |i: usize| -> f64 {
        let (b, h_q, query, key) = (i / (h * t * s), i / (t * s) % h, i / s % t, i % s);
        let position = s - t + query;
        let window = case.rule.window.unwrap_or(usize::MAX);
        let start = case
            .starts
            .as_ref()
            .map_or(0, |starts| starts[b * t + query] as usize);
        if key > position || position - key >= window || key < start {
            return f64::NEG_INFINITY;
        }
        let pairs = q[b][query][h_q].iter().zip(&k[b][key][h_q / (h / h_kv)]);
        let products = pairs.map(|(q, k)| f64::from(*q) * f64::from(*k));
        let score = products.sum::<f64>() * case.rule.scale;
        case.rule
            .cap
            .map_or(score, |cap| cap * (score / cap).tanh())
    };
    (0..b * h * t * s).map(entry).collect()
}

/// `[b, h, t, s]`.
pub(super) fn pattern(case: &Case) -> Vec<f64> {
    let s = case.k.dim(1).unwrap();
    let scores = scores(case);
    let rows = scores.chunks(s).flat_map(|row| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|score| (score - largest).exp()).sum();
        row.iter().map(move |score| (score - largest).exp() / sum)
    });
    rows.collect()
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
