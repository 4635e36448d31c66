//! Probes of activations, the effect of every feature on them, and their scores without some features.

use super::sets::{Balanced, Judged};
use super::{Rows, SPARSE_PENALTY};
use crate::benchmarks::regression::{Examples, Few};
use crate::dims::Matrix;
use crate::error::Result;

/// Fits a probe of mean activations: the minimum of the mean logistic loss + 0.001 · ‖w‖₁ over the texts of `train`.
pub(super) fn probe(x: &Matrix, train: &Balanced) -> Result<Few> {
    let rows = train.texts.iter().flat_map(|text| x.row(*text));
    let numbers: Vec<f64> = rows.map(|x| f64::from(*x)).collect();
    Few::fitted(Examples {
        x: &numbers,
        width: x.columns(),
        is_of: &train.is_of,
        weights: [1.0, 1.0],
        penalty: SPARSE_PENALTY,
    })
}

/// Returns the log-odds of the class on each row of `x`.
pub(super) fn scores(probe: &Few, x: &Matrix) -> Vec<f64> {
    x.iter_rows()
        .map(|row| probe.bias + dot(&probe.weights, row))
        .collect()
}

fn dot(weights: &[f64], row: &[f32]) -> f64 {
    weights
        .iter()
        .zip(row)
        .map(|(w, x)| w * f64::from(*x))
        .sum()
}

/// Probe with its scores on all texts, and what each feature writes along it.
#[derive(Debug, Clone)]
pub(super) struct Along {
    /// Log-odds of each text, `[n]`.
    pub(super) scores: Vec<f64>,
    /// Product of the weights and each decoder row, `[f]`.
    pub(super) written: Vec<f64>,
}

impl Along {
    pub(super) fn new(probe: &Few, rows: Rows<'_>) -> Self {
        Self {
            scores: scores(probe, rows.x),
            written: rows
                .w_dec
                .iter_rows()
                .map(|row| dot(&probe.weights, row))
                .collect(),
        }
    }

    /// Judges the probe on `set` with the features of `ablated` taken away.
    pub(super) fn judged(&self, rows: Rows<'_>, set: &Balanced, ablated: &[usize]) -> Judged {
        let mut is_ablated = vec![false; self.written.len()];
        for feature in ablated {
            is_ablated[*feature] = true;
        }
        set.judged(|text| {
            let gone = rows
                .written
                .row(text)
                .filter(|(feature, _)| is_ablated[feature.index()]);
            let gone = gone.map(|(feature, act)| f64::from(act) * self.written[feature.index()]);
            self.scores[text] - gone.sum::<f64>()
        })
    }
}

/// Means over the class less means over the others of every feature.
pub(super) fn differences(rows: Rows<'_>, set: &Balanced) -> Vec<f64> {
    let mut sums = vec![[0.0_f64; 2]; rows.w_dec.rows()];
    for (text, is_of) in set.texts.iter().zip(&set.is_of) {
        for (feature, act) in rows.written.row(*text) {
            sums[feature.index()][usize::from(!is_of)] += f64::from(act);
        }
    }
    let each = set.texts.len() as f64 / 2.0;
    sums.iter()
        .map(|[of, others]| (of - others) / each)
        .collect()
}

/// Returns the features with positive `effects`, the largest first, the first of equals.
pub(super) fn ordered(effects: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..effects.len())
        .filter(|feature| effects[*feature] > 0.0)
        .collect();
    order.sort_by(|a, b| effects[*b].total_cmp(&effects[*a]).then(a.cmp(b)));
    order
}
