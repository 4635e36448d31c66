//! Decomposes activations: reconstruction, linear and nonlinear part of the error.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::sae::Autoencoder;

use super::normal::squared_norm;
use super::{ErrorNorms, Split};

/// Number of tokens per unit of parallel work.
const BLOCK: usize = 256;

/// Computes `x̂` and `x − x̂` of activations `[n, d]`.
pub(super) fn error(sae: Autoencoder<'_>, x: &Matrix) -> Result<(Matrix, Matrix)> {
    let reconstruction = sae.decode(&sae.encode(x)?, x)?;
    let mut error = x.clone();
    for (error, reconstructed) in error.values_mut().iter_mut().zip(reconstruction.values()) {
        *error -= reconstructed;
    }
    Ok((reconstruction, error))
}

/// Computes `[x, 1] · weights`, `[n, d]` by `[d + 1, d]`.
pub(super) fn linear_part(weights: &Matrix, x: &Matrix) -> Result<Matrix> {
    let d = weights.columns();
    Dims::new("linear part of the error")
        .bind("weights", weights, "e d")?
        .bind("x", x, "n d")?;
    let slope = MatRef::from_row_major_slice(&weights.values()[..d * d], d, d);
    let mut linear = Matrix::zeros(x.rows(), d);
    linear
        .values_mut()
        .par_chunks_mut((BLOCK * d).max(1))
        .zip(x.values().par_chunks((BLOCK * d).max(1)))
        .for_each(|(linear, x)| {
            for row in linear.chunks_exact_mut(d) {
                row.copy_from_slice(weights.row(d));
            }
            let n = x.len() / d;
            matmul(
                MatMut::from_row_major_slice_mut(linear, n, d),
                Accum::Add,
                MatRef::from_row_major_slice(x, n, d),
                slope,
                1.0,
                Par::Seq,
            );
        });
    Ok(linear)
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
