//! LayerNorm and RMSNorm, split into normalising and scaling because a hook sits between them.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::normalize::{Normalization, normalize};
use crate::models::NormKind;

/// A normalisation with its weight (and, for LayerNorm, bias).
#[derive(Debug)]
pub(in crate::models) struct Norm {
    kind: NormKind,
    weight: Tensor,
    bias: Option<Tensor>,
    eps: f64,
}

impl Norm {
    /// Mean removed, variance normalised, weight and bias `[d]`.
    pub(in crate::models) fn layer(weight: Tensor, bias: Tensor, eps: f64) -> Self {
        Self {
            kind: NormKind::LayerNorm,
            weight,
            bias: Some(bias),
            eps,
        }
    }

    /// Root mean square normalised, weight `[d]`.
    pub(in crate::models) fn rms(weight: Tensor, eps: f64) -> Self {
        Self {
            kind: NormKind::RmsNorm,
            weight,
            bias: None,
            eps,
        }
    }

    /// Both steps, `[.., d]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.scale(&self.normalize(x)?)
    }

    /// Before weight and bias.
    pub(in crate::models) fn normalize(&self, x: &Tensor) -> Result<Tensor> {
        let how = Normalization {
            centred: self.kind == NormKind::LayerNorm,
            eps: self.eps,
        };
        normalize(x, how)
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
