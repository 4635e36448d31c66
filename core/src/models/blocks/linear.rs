//! A product with a weight matrix, with or without bias.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels;

/// `x · weight + bias`.
#[derive(Debug)]
pub(in crate::models) struct Linear {
    /// `[in, out]`; a transposed view where the file has `[out, in]`.
    op: kernels::linear::Linear,
}

impl Linear {
    /// From a weight `[in, out]` and a bias `[out]`.
    pub(in crate::models) fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|bias| bias.to_vec1::<f32>()).transpose()?;
        Ok(Self {
            op: kernels::linear::Linear { weight, bias },
        })
    }

    /// `[.., in]` to `[.., out]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op1(self.op.clone())?)
    }

    /// The bias, `[out]`, if there is one.
    pub(in crate::models) fn bias(&self) -> Option<&[f32]> {
        self.op.bias.as_deref()
    }

    /// The weight, `[in, out]`.
    pub(in crate::models) fn weight(&self) -> &Tensor {
        &self.op.weight
    }
}
