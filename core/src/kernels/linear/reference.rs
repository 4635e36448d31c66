//! The definition: plain loops in f64.

use candle_core::Tensor;

use super::Linear;

/// Every entry of `x · weight + bias`, and Σ|x·w| + |b| beside it.
pub(super) fn product(x: &Tensor, op: &Linear) -> (Vec<f64>, Vec<f64>) {
    let weight = op.weight.to_vec2::<f32>().unwrap();
    let (inputs, outputs) = op.weight.dims2().unwrap();
    let x = x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (mut y, mut scale) = (Vec::new(), Vec::new());
    for row in x.chunks_exact(inputs) {
        for j in 0..outputs {
            let bias = op.bias.as_ref().map_or(0.0, |bias| f64::from(bias[j]));
            let terms = || (0..inputs).map(|i| f64::from(row[i]) * f64::from(weight[i][j]));
            y.push(terms().sum::<f64>() + bias);
            scale.push(terms().map(f64::abs).sum::<f64>() + bias.abs());
        }
    }
    (y, scale)
}
