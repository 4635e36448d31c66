//! Correlation of two figures of the same things.

/// Correlations of two figures; none where a figure is constant or there are fewer than three pairs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Correlation {
    /// Pearson's r.
    pub pearson: Option<f64>,
    /// Spearman's ρ: Pearson's r of the ranks, equal values sharing their mean rank.
    pub spearman: Option<f64>,
}

impl Correlation {
    /// Correlates pairs.
    pub fn new(pairs: &[[f64; 2]]) -> Self {
        Self {
            pearson: pearson(pairs),
            spearman: spearman(pairs),
        }
    }
}

/// Computes Pearson's r.
pub fn pearson(pairs: &[[f64; 2]]) -> Option<f64> {
    if pairs.len() < 3 {
        return None;
    }
    let n = pairs.len() as f64;
    let mean = |at: usize| pairs.iter().map(|pair| pair[at]).sum::<f64>() / n;
    let means = [mean(0), mean(1)];
    let product = |a: usize, b: usize| -> f64 {
        let terms = pairs.iter();
        terms
            .map(|pair| (pair[a] - means[a]) * (pair[b] - means[b]))
            .sum()
    };
    let norms = (product(0, 0) * product(1, 1)).sqrt();
    let r = product(0, 1) / norms;
    (norms > 0.0 && r.is_finite()).then_some(r)
}

/// Computes Spearman's ρ.
pub fn spearman(pairs: &[[f64; 2]]) -> Option<f64> {
    let [a, b] = [0, 1].map(|at| ranks(&pairs.iter().map(|pair| pair[at]).collect::<Vec<_>>()));
    let ranked: Vec<[f64; 2]> = a.into_iter().zip(b).map(|(a, b)| [a, b]).collect();
    pearson(&ranked)
}

/// Returns the rank of each value, from 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    for tie in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = from as f64 + f64::midpoint(tie.len() as f64, 1.0);
        for at in tie {
            ranks[*at] = mean;
        }
        from += tie.len();
    }
    ranks
}
