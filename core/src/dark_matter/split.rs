//! Decomposes activations: reconstruction, linear and nonlinear part of the error.

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::sae::Autoencoder;
pub(super) use crate::sae::linear_part;

use super::normal::squared_norm;
use super::{ErrorNorms, Split};

/// Computes `x̂` and `x − x̂` of activations `[n, d]`.
pub(super) fn error(sae: Autoencoder<'_>, x: &Matrix) -> Result<(Matrix, Matrix)> {
    let reconstruction = sae.decode(&sae.encode(x)?, x)?;
    let mut error = x.clone();
    for (error, reconstructed) in error.values_mut().iter_mut().zip(reconstruction.values()) {
        *error -= reconstructed;
    }
    Ok((reconstruction, error))
}

/// Splits errors for [`super::Probe::split`].
pub(super) fn split(weights: &Matrix, sae: Autoencoder<'_>, x: &Matrix) -> Result<Split> {
    Dims::new("split")
        .bind("w_dec", &sae.w_dec, "f d")?
        .bind("x", x, "n d")?
        .bind("weights", weights, "e d")?;
    let (reconstruction, error) = error(sae, x)?;
    let linear = linear_part(weights, x)?;
    let mut nonlinear = error.clone();
    for (nonlinear, linear) in nonlinear.values_mut().iter_mut().zip(linear.values()) {
        *nonlinear -= linear;
    }
    let norm = |of: &Matrix, i: usize| squared_norm(of.row(i)).sqrt() as f32;
    let norms = (0..x.rows())
        .map(|i| ErrorNorms {
            activation: norm(x, i),
            total: norm(&error, i),
            linear: norm(&linear, i),
            nonlinear: norm(&nonlinear, i),
        })
        .collect();
    Ok(Split {
        reconstruction,
        linear,
        nonlinear,
        norms,
    })
}
