//! A product with a weight matrix, with or without bias.

use candle_core::Tensor;

use crate::error::Result;

/// `x · weight + bias`.
#[derive(Debug)]
pub(in crate::models) struct Linear {
    /// `[in, out]`; a transposed view where the file has `[out, in]`.
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// From a weight `[in, out]`.
    pub(in crate::models) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[.., in]` to `[.., out]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut dims = x.dims().to_vec();
        let (inputs, outputs) = self.weight.dims2()?;
        let flat = x.reshape(((), inputs))?.matmul(&self.weight)?; // [n, out]
        let flat = match &self.bias {
            Some(bias) => flat.broadcast_add(bias)?,
            None => flat,
        };
        if let Some(last) = dims.last_mut() {
            *last = outputs;
        }
        Ok(flat.reshape(dims)?)
    }

    /// The weight, `[in, out]`.
    pub(in crate::models) fn weight(&self) -> &Tensor {
        &self.weight
    }
}
