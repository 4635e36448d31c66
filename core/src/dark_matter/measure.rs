//! Computes held-out figures of the probes: sums in f64, then R² and FVU.

use crate::dims::Matrix;
use crate::error::{Error, Result};

use super::normal::squared_norm;

/// Sums Σ v and Σ v² of one quantity.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    sum: f64,
    square: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.square += value * value;
    }

    /// Computes Σ (v − mean)².
    fn spread(self, tokens: f64) -> f64 {
        (self.square - self.sum * self.sum / tokens).max(0.0)
    }
}

/// Sums over tokens from which the figures are computed.
#[derive(Debug)]
pub(super) struct Measured {
    activation: Vec<Moments>,
    error: Vec<Moments>,
    norm: Moments,
    /// Sum Σ (e − ê)² by dimension.
    left: Vec<f64>,
    /// Sum Σ (‖e‖² − prediction)².
    norm_left: f64,
    /// Number of tokens.
    pub(super) tokens: u64,
}

/// Figures R² and FVU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) r2_mean: f64,
    pub(super) r2_weighted: f64,
    pub(super) r2_norm: f64,
    pub(super) fvu_total: f64,
    pub(super) fvu_nonlinear: f64,
}

impl Measured {
    pub(super) fn new(width: usize) -> Self {
        Self {
            activation: vec![Moments::default(); width],
            error: vec![Moments::default(); width],
            norm: Moments::default(),
            left: vec![0.0; width],
            norm_left: 0.0,
            tokens: 0,
        }
    }

    /// Adds activations, errors and the linear part of the errors, each `[n, d]`.
    pub(super) fn add(
        &mut self,
        x: &Matrix,
        error: &Matrix,
        linear: &Matrix,
        norm_weights: &[f32],
    ) {
        for ((x, error), linear) in x.iter_rows().zip(error.iter_rows()).zip(linear.iter_rows()) {
            for (j, ((x, error), linear)) in x.iter().zip(error).zip(linear).enumerate() {
                self.activation[j].add(f64::from(*x));
                self.error[j].add(f64::from(*error));
                let left = f64::from(*error) - f64::from(*linear);
                self.left[j] += left * left;
            }
            let norm = squared_norm(error);
            self.norm.add(norm);
            self.norm_left += (norm - predicted_norm(x, norm_weights)).powi(2);
        }
        self.tokens += x.rows() as u64;
    }

    /// Computes the figures. The mean R² skips dimensions whose error is constant.
    pub(super) fn figures(&self) -> Result<Figures> {
        let n = self.tokens as f64;
        let spreads: Vec<f64> = self.error.iter().map(|e| e.spread(n)).collect();
        let by_dimension: Vec<f64> = spreads
            .iter()
            .zip(&self.left)
            .filter(|(spread, _)| **spread > 0.0)
            .map(|(spread, left)| 1.0 - left / spread)
            .collect();
        let variance: f64 = self.activation.iter().map(|x| x.spread(n)).sum();
        let error_spread: f64 = spreads.iter().sum();
        let left: f64 = self.left.iter().sum();
        let total: f64 = self.error.iter().map(|e| e.square).sum();
        if by_dimension.is_empty() || variance <= 0.0 || !left.is_finite() {
            return Err(Error::Numeric {
                what: "the error of the dictionary does not vary on the held-out text, so there is nothing to predict: give more held-out text"
                    .to_owned(),
            });
        }
        let norm_spread = self.norm.spread(n);
        Ok(Figures {
            r2_mean: by_dimension.iter().sum::<f64>() / by_dimension.len() as f64,
            r2_weighted: 1.0 - left / error_spread,
            r2_norm: if norm_spread > 0.0 {
                1.0 - self.norm_left / norm_spread
            } else {
                0.0
            },
            fvu_total: total / variance,
            fvu_nonlinear: left / variance,
        })
    }
}

/// Computes `[x, 1] · norm_weights` in f64.
fn predicted_norm(x: &[f32], norm_weights: &[f32]) -> f64 {
    let products = x.iter().zip(norm_weights);
    products
        .map(|(x, w)| f64::from(*x) * f64::from(*w))
        .sum::<f64>()
        + f64::from(norm_weights[x.len()])
}
