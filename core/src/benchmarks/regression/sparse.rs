//! Logistic regression of one class on the code of a dictionary with a penalty on the sizes of its weights, by coordinate descent, in f64.
//!
//! The largest weights say which features predict the class. The loss is that of SAEBench's `train_sparse_multi_probe`, minimised to its end rather than for a
//! number of epochs.

use super::Examples;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// Sweeps over all features after which a fit is refused.
const SWEEPS: usize = 100_000;
/// Sweeps after which features without a weight are left out until the others have converged.
const KEPT: usize = 20;
/// Largest violation of the conditions of the minimum, as a part of the penalty.
const CONVERGED: f64 = 1e-3;

/// Column of a feature: rows on which it is active, and its activations.
type Column = Vec<(u32, f64)>;

/// Codes by feature.
#[derive(Debug)]
pub(in crate::benchmarks) struct Columns(Vec<Column>);

impl Columns {
    /// Turns the `rows` of `latents` into columns of `features` features; row numbers count among `rows`.
    pub(in crate::benchmarks) fn new(latents: &Latents, rows: &[usize], features: usize) -> Self {
        let mut columns = vec![Column::new(); features];
        for (number, row) in rows.iter().enumerate() {
            for (feature, act) in latents.row(*row) {
                if act != 0.0 {
                    columns[feature.index()].push((number as u32, f64::from(act)));
                }
            }
        }
        Self(columns)
    }

    /// Activations of one feature on `rows` rows.
    pub(in crate::benchmarks) fn dense(&self, feature: usize, rows: usize) -> Vec<f64> {
        let mut dense = vec![0.0; rows];
        for (row, act) in &self.0[feature] {
            dense[*row as usize] = *act;
        }
        dense
    }

    /// Minimises `1/n · Σ_i weight_i · ln(1 + exp(−y_i s_i)) + penalty · Σ_f |w_f|` and returns the weights; the bias is free. `x` of the examples is not
    /// read.
    pub(in crate::benchmarks) fn fitted(&self, examples: Examples<'_>) -> Result<Vec<f64>> {
        let n = examples.is_of.len();
        let mut fit = Fit {
            examples,
            scores: vec![0.0; n],
            weights: vec![0.0; self.0.len()],
        };
        let ones: Column = (0..n as u32).map(|row| (row, 1.0)).collect();
        let mut active: Vec<usize> = (0..self.0.len())
            .filter(|f| !self.0[*f].is_empty())
            .collect();
        let all = active.clone();
        let mut is_whole = true;
        for sweep in 0..SWEEPS {
            fit.move_bias(&ones);
            let mut worst = 0.0_f64;
            for feature in &active {
                worst = worst.max(fit.move_weight(*feature, &self.0[*feature]));
            }
            worst = worst.max(fit.slope(&ones).0.abs());
            if worst <= CONVERGED * examples.penalty {
                if is_whole {
                    return Ok(fit.weights);
                }
                // Converged on the features with weights: look at all once more.
                active.clone_from(&all);
                is_whole = true;
            } else if is_whole || sweep % KEPT == 0 {
                active.retain(|feature| fit.weights[*feature] != 0.0);
                is_whole = active.is_empty();
                if is_whole {
                    active.clone_from(&all);
                }
            }
        }
        Err(Error::Numeric {
            what: "a sparse probe did not converge: give it more words, or raise its penalty"
                .to_owned(),
        })
    }
}

struct Fit<'a> {
    examples: Examples<'a>,
    scores: Vec<f64>,
    weights: Vec<f64>,
}

impl Fit<'_> {
    fn weight(&self, row: usize) -> f64 {
        let examples = &self.examples;
        examples.weights[usize::from(!examples.is_of[row])] / examples.is_of.len() as f64
    }

    /// First and second derivative of the mean loss by the weight of a column.
    fn slope(&self, column: &Column) -> (f64, f64) {
        let (mut slope, mut curve) = (0.0, 0.0);
        for (row, act) in column {
            let row = *row as usize;
            let p = 1.0 / (1.0 + (-self.scores[row]).exp());
            let target = f64::from(u8::from(self.examples.is_of[row]));
            slope += self.weight(row) * (p - target) * act;
            curve += self.weight(row) * p * (1.0 - p) * act * act;
        }
        (slope, curve)
    }

    /// Change of the mean loss when the scores of a column's rows move by `step` times its activations.
    fn change(&self, column: &Column, step: f64) -> f64 {
        let loss = |score: f64, is_of: bool| {
            let s = if is_of { -score } else { score };
            s.max(0.0) + (-s.abs()).exp().ln_1p()
        };
        let each = column.iter().map(|(row, act)| {
            let row = *row as usize;
            let (score, is_of) = (self.scores[row], self.examples.is_of[row]);
            self.weight(row) * (loss(score + step * act, is_of) - loss(score, is_of))
        });
        each.sum()
    }

    fn apply(&mut self, column: &Column, step: f64) {
        for (row, act) in column {
            self.scores[*row as usize] += step * act;
        }
    }

    fn move_bias(&mut self, ones: &Column) {
        for _ in 0..50 {
            let (slope, curve) = self.slope(ones);
            if slope.abs() <= CONVERGED * self.examples.penalty / 10.0 {
                return;
            }
            let mut step = -slope / (curve + 1e-12);
            for _ in 0..60 {
                if self.change(ones, step) <= 1e-4 * slope * step {
                    break;
                }
                step /= 2.0;
            }
            self.apply(ones, step);
        }
    }

    /// Moves one weight by a Newton step towards the minimum along it. Returns how far the weight was from its condition of the minimum.
    fn move_weight(&mut self, feature: usize, column: &Column) -> f64 {
        let penalty = self.examples.penalty;
        let (slope, curve) = self.slope(column);
        let w = self.weights[feature];
        let violation = if w > 0.0 {
            (slope + penalty).abs()
        } else if w < 0.0 {
            (slope - penalty).abs()
        } else {
            (slope.abs() - penalty).max(0.0)
        };
        if violation <= CONVERGED * penalty / 10.0 {
            return violation;
        }
        let curve = curve + 1e-12;
        let wanted = w - slope / curve;
        let shrunk = wanted.signum() * (wanted.abs() - penalty / curve).max(0.0);
        let mut step = shrunk - w;
        for _ in 0..60 {
            let expected = slope * step + penalty * ((w + step).abs() - w.abs());
            let reached = self.change(column, step) + penalty * ((w + step).abs() - w.abs());
            if reached <= 0.01 * expected {
                break;
            }
            step /= 2.0;
        }
        self.apply(column, step);
        self.weights[feature] = w + step;
        violation
    }
}

/// Returns the features with the largest positive weights, largest first, ties by number, at most `most`.
pub(in crate::benchmarks) fn strongest(weights: &[f64], most: usize) -> Vec<usize> {
    let mut positive: Vec<usize> = (0..weights.len()).filter(|f| weights[*f] > 0.0).collect();
    positive.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
    positive.truncate(most);
    positive
}
