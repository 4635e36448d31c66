//! A product with a weight matrix, with or without bias.

use std::sync::Arc;

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::linear::{Linear as Dense, Rows, Stored};

/// `x · weight + bias`.
#[derive(Debug)]
pub(in crate::models) struct Linear {
    op: Op,
}

#[derive(Debug)]
enum Op {
    /// `[in, out]`; a transposed view where the file has `[out, in]`.
    Dense(Dense),
    /// `[out, in]` as its file stores it.
    Stored(Stored),
}

impl Linear {
    /// Builds from a weight `[in, out]` and a bias `[out]`.
    pub(in crate::models) fn new(weight: Tensor, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|bias| bias.to_vec1::<f32>()).transpose()?;
        Ok(Self::dense(weight, bias))
    }

    /// Builds from a weight `[in, out]` and a bias of `out` numbers.
    pub(in crate::models) fn dense(weight: Tensor, bias: Option<Vec<f32>>) -> Self {
        Self {
            op: Op::Dense(Dense { weight, bias }),
        }
    }

    /// Builds from a weight kept as stored and a bias `[out]`.
    pub(in crate::models) fn stored(weight: Arc<Rows>, bias: Option<Tensor>) -> Result<Self> {
        let bias = bias.map(|bias| bias.to_vec1::<f32>()).transpose()?;
        Ok(Self {
            op: Op::Stored(Stored { weight, bias }),
        })
    }

    /// Maps `[.., in]` to `[.., out]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = x.contiguous()?;
        Ok(match &self.op {
            Op::Dense(op) => x.apply_op1(op.clone())?,
            Op::Stored(op) => x.apply_op1(op.clone())?,
        })
    }

    /// Maps `[.., in]` to `[.., out]` without the bias.
    pub(in crate::models) fn product(&self, x: &Tensor) -> Result<Tensor> {
        self.biased(None).forward(x)
    }

    /// Replaces the bias by `bias`.
    pub(in crate::models) fn with_bias(&self, bias: Vec<f32>) -> Self {
        self.biased(Some(bias))
    }

    fn biased(&self, bias: Option<Vec<f32>>) -> Self {
        let op = match &self.op {
            Op::Dense(op) => Op::Dense(Dense {
                weight: op.weight.clone(),
                bias,
            }),
            Op::Stored(op) => Op::Stored(Stored {
                weight: Arc::clone(&op.weight),
                bias,
            }),
        };
        Self { op }
    }

    /// Returns the bias, `[out]`, if there is one.
    pub(in crate::models) fn bias(&self) -> Option<&[f32]> {
        match &self.op {
            Op::Dense(op) => op.bias.as_deref(),
            Op::Stored(op) => op.bias.as_deref(),
        }
    }

    /// Returns the weight, `[in, out]`; dequantised anew where it is kept as stored.
    pub(in crate::models) fn weight(&self) -> Result<Tensor> {
        Ok(match &self.op {
            Op::Dense(op) => op.weight.clone(),
            Op::Stored(op) => op.weight.dense()?.t()?,
        })
    }
}
