//! Operations on matrices that several steps share. A matrix keeps its layout: a transposed view stays one, so that products with it stay as fast.

use candle_core::{D, DType, Tensor};

use crate::error::Result;
use crate::models::blocks::Linear;

/// Number of entries widened to f64 at a time.
const CHUNK: usize = 1 << 20;

/// Computes `weight[i, o] · factors[i]`, factors `[in]`.
pub(super) fn inputs_scaled(weight: &Tensor, factors: &Tensor) -> Result<Tensor> {
    Ok(if weight.is_contiguous() {
        weight.broadcast_mul(&factors.unsqueeze(1)?)?
    } else {
        weight.t()?.broadcast_mul(factors)?.t()?
    })
}

/// Subtracts from `weight [in, out]` the mean over its inputs of each output.
pub(super) fn inputs_centred(weight: &Tensor) -> Result<Tensor> {
    Ok(outputs_centred(&weight.t()?)?.t()?)
}

/// Subtracts from `weight [in, out]` the mean over its outputs of each input.
pub(super) fn outputs_centred(weight: &Tensor) -> Result<Tensor> {
    let means = means(weight)?; // [in, 1]
    Ok(if weight.is_contiguous() {
        weight.broadcast_sub(&means)?
    } else {
        weight.t()?.broadcast_sub(&means.t()?)?.t()?
    })
}

/// Computes the means of the rows of `matrix [r, c]`, `[r, 1]`: in f64, since a vocabulary's mean in f32 is off by more than one entry's rounding.
fn means(matrix: &Tensor) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let step = (CHUNK / columns.max(1)).max(1);
    let parts = (0..rows)
        .step_by(step)
        .map(|from| {
            let some = matrix.narrow(0, from, step.min(rows - from))?;
            let means = some.to_dtype(DType::F64)?.mean_keepdim(D::Minus1)?;
            Ok(means.to_dtype(DType::F32)?)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Tensor::cat(&parts, 0)?)
}

/// Centres a product so that its outputs have mean 0, whatever it reads.
pub(super) fn writing_centred(linear: &Linear) -> Result<Linear> {
    let bias = linear.bias().map(|bias| {
        let mean = bias.iter().map(|b| f64::from(*b)).sum::<f64>() / bias.len() as f64;
        bias.iter().map(|b| (f64::from(*b) - mean) as f32).collect()
    });
    Ok(Linear::dense(outputs_centred(&linear.weight()?)?, bias))
}

/// Adds two biases of which either may be absent.
pub(super) fn sum(bias: Option<&[f32]>, added: Vec<f32>) -> Vec<f32> {
    match bias {
        Some(bias) => bias.iter().zip(added).map(|(a, b)| a + b).collect(),
        None => added,
    }
}
