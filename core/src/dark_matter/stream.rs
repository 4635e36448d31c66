//! Least squares of errors from values that a program brings along, chunk by chunk: the fit without model and dictionary.

use super::normal::NormalEquations;
use crate::dims::Matrix;
use crate::error::Result;

/// Linear probes of error vectors and of their squared norms, with biases, fitted while values stream by. Memory grows with the square of the widths and not with
/// the number of tokens.
#[derive(Debug, Clone)]
pub struct StreamedFit {
    equations: NormalEquations,
    width: usize,
}

/// Weights of both probes.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamedProbe {
    /// Weights `[p + 1, d]`: error ≈ [z, 1] · weights.
    pub weights: Matrix,
    /// Weights `[p + 1]`: ‖error‖² ≈ [z, 1] · norm_weights.
    pub norm_weights: Vec<f32>,
    /// R² of the error vector on the values fitted on, weighted by variance.
    pub r2_weighted: f64,
    /// Ridge added to the diagonal of ones because the predictors do not span their space; otherwise 0.
    pub ridge: f64,
}

impl StreamedFit {
    /// Begins a fit of errors of width `width` from `inputs` predictors.
    pub fn new(inputs: usize, width: usize) -> Self {
        Self {
            equations: NormalEquations::new(inputs, width + 1),
            width,
        }
    }

    /// Adds predictors `z [n, p]` and errors `[n, d]` of some tokens.
    pub fn add(&mut self, z: &Matrix, error: &Matrix) -> Result<()> {
        self.equations.add_errors(z, error)
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> u64 {
        self.equations.tokens
    }

    /// Solves for the weights, with ridge `lambda` as [`super::Ridge`] defines it; 0 is ordinary least squares.
    pub fn solve(self, lambda: f64) -> Result<StreamedProbe> {
        let spread: f64 = self.equations.spreads().iter().take(self.width).sum();
        let solution = self.equations.solve(lambda)?;
        let left: f64 = solution.left.iter().take(self.width).sum();
        Ok(StreamedProbe {
            weights: solution.weights(0, self.width)?,
            norm_weights: solution.weights(self.width, 1)?.into_values(),
            r2_weighted: if spread > 0.0 {
                1.0 - left / spread
            } else {
                0.0
            },
            ridge: solution.ridge,
        })
    }
}
