//! The definition: plain loops, f64 accumulation, never optimised.

/// The `k` largest, lower feature first among equals, those ≤ 0 left out, ascending by feature.
pub(in crate::kernels) fn select(pre: &[f64], k: usize) -> Vec<(u32, f64)> {
    let mut order: Vec<usize> = (0..pre.len()).collect();
    order.sort_by(|a, b| pre[*b].total_cmp(&pre[*a]).then(a.cmp(b)));
    let mut kept: Vec<(u32, f64)> = order
        .into_iter()
        .take(k)
        .filter(|f| pre[*f] > 0.0)
        .map(|f| (f as u32, pre[f]))
        .collect();
    kept.sort_by_key(|(feature, _)| *feature);
    kept
}
