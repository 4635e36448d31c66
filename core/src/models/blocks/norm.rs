//! LayerNorm and RMSNorm, split into normalising and scaling because a hook sits between them.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::normalize::Normalize;
use crate::models::NormKind;

/// A normalisation with its weight (and, for LayerNorm, bias).
#[derive(Debug)]
pub(in crate::models) struct Norm {
    both: Normalize,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Norm {
    /// Weight and, for LayerNorm, bias `[d]`.
    pub(in crate::models) fn new(
        kind: NormKind,
        weight: Tensor,
        bias: Option<Tensor>,
        eps: f64,
    ) -> Result<Self> {
        let both = Normalize {
            centred: kind == NormKind::LayerNorm,
            eps,
            weight: Some(weight.to_vec1()?),
            bias: bias.as_ref().map(Tensor::to_vec1).transpose()?,
        };
        Ok(Self { both, weight, bias })
    }

    /// Both steps, `[.., d]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op1(self.both.clone())?)
    }

    /// Before weight and bias.
    pub(in crate::models) fn normalize(&self, x: &Tensor) -> Result<Tensor> {
        let bare = Normalize {
            weight: None,
            bias: None,
            ..self.both.clone()
        };
        Ok(x.contiguous()?.apply_op1(bare)?)
    }

    /// Weight and bias.
    pub(in crate::models) fn scale(&self, normalized: &Tensor) -> Result<Tensor> {
        let scaled = normalized.broadcast_mul(&self.weight)?;
        Ok(match &self.bias {
            Some(bias) => scaled.broadcast_add(bias)?,
            None => scaled,
        })
    }

    /// γ, `[d]`.
    pub(in crate::models) fn weight(&self) -> &Tensor {
        &self.weight
    }
}
