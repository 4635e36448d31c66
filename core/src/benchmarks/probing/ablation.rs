//! Probes of activations, the effect of every feature on them, and their scores without some features.

use super::sets::{Balanced, Judged};
use super::{Rows, SPARSE_PENALTY};
use crate::benchmarks::regression::{Columns, Examples};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;

/// Probe of mean activations with a penalty on the sizes of its weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probe {
    pub(super) weights: Vec<f64>,
    pub(super) bias: f64,
}

impl Probe {
    /// Minimises the mean logistic loss + 0.001 · ‖w‖₁ over the texts of `train`.
    pub(super) fn fitted(x: &Matrix, train: &Balanced) -> Result<Self> {
        let numbers = |text: &usize| {
            let row = x.row(*text).iter().enumerate();
            row.map(|(column, x)| (FeatureId::from(column), *x))
                .collect::<Vec<_>>()
        };
        let rows: Vec<Vec<(FeatureId, f32)>> = train.texts.iter().map(numbers).collect();
        let all: Vec<usize> = (0..rows.len()).collect();
        let columns = Columns::new(&Latents::from_unsorted(&rows)?, &all, x.columns());
        let weights = columns.fitted(Examples {
            x: &[],
            width: x.columns(),
            is_of: &train.is_of,
            weights: [1.0, 1.0],
            penalty: SPARSE_PENALTY,
        })?;
        let scores: Vec<f64> = train
            .texts
            .iter()
            .map(|text| dot(&weights, x.row(*text)))
            .collect();
        Ok(Self {
            bias: bias(&scores, &train.is_of),
            weights,
        })
    }

    /// Log-odds of the class on each row of `x`.
    pub(super) fn scores(&self, x: &Matrix) -> Vec<f64> {
        x.iter_rows()
            .map(|row| self.bias + dot(&self.weights, row))
            .collect()
    }
}

/// Returns the bias with which the probabilities of a set sum to the number of its texts of the class: the minimum of the loss, whose slope grows with the bias.
fn bias(scores: &[f64], is_of: &[bool]) -> f64 {
    let wanted = is_of.iter().filter(|is_of| **is_of).count() as f64;
    let slope = |bias: f64| {
        scores
            .iter()
            .map(|score| 1.0 / (1.0 + (-(score + bias)).exp()))
            .sum::<f64>()
            - wanted
    };
    let size = scores
        .iter()
        .fold(0.0_f64, |most, score| most.max(score.abs()));
    let (mut low, mut high) = (-size - 50.0, size + 50.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if slope(middle) > 0.0 {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
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
    pub(super) fn new(probe: &Probe, rows: Rows<'_>) -> Self {
        Self {
            scores: probe.scores(rows.x),
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
        ablated
            .iter()
            .for_each(|feature| is_ablated[*feature] = true);
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
