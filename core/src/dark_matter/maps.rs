//! Linear maps from activations to the linear parts of dictionaries' errors, for training on a part of an error and for checks of the split.

use super::linear;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Map from an activation to the linear part of its error.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearMap {
    /// Weights `[d + 1, d]`: error ≈ [x, 1] · weights.
    pub weights: Matrix,
    /// Number of activations fitted on.
    pub tokens: u64,
    /// Ridge on the diagonal of ones; 0 unless the activations do not span their space.
    pub ridge: f64,
}

/// Fits the map of each dictionary in one pass of the model over the positions of `rows` that count: least squares with an intercept and without a ridge. An error
/// for a text with fewer activations than unknowns.
pub fn linear_maps(
    model: &Model,
    saes: &[Autoencoder<'_>],
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<LinearMap>>> {
    let fitted = linear::fit(model, saes, (rows, rows), observe)?;
    let Ended::Done(fitted) = fitted else {
        return Ok(Ended::STOPPED);
    };
    let map = |fitted: linear::Fitted| LinearMap {
        weights: fitted.weights,
        tokens: fitted.tokens,
        ridge: fitted.ridge,
    };
    Ok(Ended::Done(fitted.into_iter().map(map).collect()))
}
