//! Decomposes activations: reconstruction, linear and nonlinear part of the error.

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::sae::Autoencoder;
pub(super) use crate::sae::linear_part;

use super::normal::squared_norm;
use super::{Batch, ErrorNorms, Predictor, Split};

/// Computes `x̂` and `x − x̂` of activations `[n, d]`.
pub(super) fn error(sae: Autoencoder<'_>, x: &Matrix) -> Result<(Matrix, Matrix)> {
    let batch = Batch::from_activations(sae, x, &Predictor::Activation)?;
    let error = batch.error();
    Ok((batch.reconstruction, error))
}

/// Computes the nonlinear part x − (x̂ + linear) in f64. It is exact, and x̂ + linear + nonlinear is x exactly, where the three values lie within a factor of
/// 2²⁸ of each other or are 0.
pub(super) fn nonlinear_exact([x, reconstruction, linear]: [f32; 3]) -> f64 {
    f64::from(x) - (f64::from(reconstruction) + f64::from(linear))
}

/// Computes the nonlinear part in f32, so that (x̂ + linear) + nonlinear, added in f32, is x within 2 units in the last place of the largest of the three.
///
/// The exact value rounded once is that as long as it is less than twice as large as the largest of the three; beyond, the rounding of x̂ + linear is taken into
/// account, since what is added to it must undo it.
pub(crate) fn nonlinear(values: [f32; 3]) -> f32 {
    let [x, reconstruction, linear] = values;
    let rounded = nonlinear_exact(values) as f32;
    let largest = values
        .into_iter()
        .fold(0.0, |most: f32, v| most.max(v.abs()));
    if rounded.abs() < 2.0 * largest {
        rounded
    } else {
        x - (reconstruction + linear)
    }
}

/// Splits the errors of `batch` for [`super::Probe::split`]; norms of the nonlinear part are those of its exact values.
pub(super) fn split(weights: &Matrix, batch: Batch) -> Result<Split> {
    let x = &batch.x;
    Dims::new("split")
        .bind("x", x, "n d")?
        .bind("weights", weights, "e d")?;
    let linear = linear_part(weights, batch.predictor())?;
    let error = batch.error();
    let mut left = Matrix::zeros(x.rows(), x.columns());
    let norm = |of: &Matrix, i: usize| squared_norm(of.row(i)).sqrt() as f32;
    let mut norms = Vec::with_capacity(x.rows());
    for i in 0..x.rows() {
        let rows = [x.row(i), batch.reconstruction.row(i), linear.row(i)];
        let mut square = 0.0;
        for (j, into) in left.row_mut(i).iter_mut().enumerate() {
            let values = rows.map(|row| row[j]);
            *into = nonlinear(values);
            square += nonlinear_exact(values).powi(2);
        }
        norms.push(ErrorNorms {
            activation: norm(x, i),
            total: norm(&error, i),
            linear: norm(&linear, i),
            nonlinear: square.sqrt() as f32,
        });
    }
    Ok(Split {
        reconstruction: batch.reconstruction,
        linear,
        nonlinear: left,
        norms,
    })
}
