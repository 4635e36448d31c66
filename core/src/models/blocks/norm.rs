//! LayerNorm and RMSNorm, split into normalising and scaling because a hook sits between them.

use candle_core::{D, Tensor};

use super::{Pass, Step};
use crate::error::Result;
use crate::ids::HookPoint;
use crate::kernels::normalize::Normalize;
use crate::models::NormKind;

/// Normalisation with its weight (and, for LayerNorm, bias).
#[derive(Debug)]
pub(in crate::models) struct Norm {
    both: Normalize,
    weight: Tensor,
    bias: Option<Tensor>,
}

/// Both hooks of a norm.
#[derive(Debug, Clone, Copy)]
pub(in crate::models) struct NormHooks {
    /// Hook of the scale it divides by.
    pub(in crate::models) scale: HookPoint,
    /// Hook of its output before weight and bias.
    pub(in crate::models) normalized: HookPoint,
}

impl Norm {
    /// Builds from a weight and, for LayerNorm, a bias `[d]`.
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

    /// Normalises and scales, `[.., d]`.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.contiguous()?.apply_op1(self.both.clone())?)
    }

    /// Normalises and scales, with its hooks.
    pub(in crate::models) fn hooked(
        &self,
        x: &Tensor,
        hooks: NormHooks,
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        if !pass.cares(hooks.scale) && !pass.cares(hooks.normalized) {
            return Ok(self.forward(x)?);
        }
        let mut normalized = None;
        if pass.cares(hooks.scale) {
            let centred = self.centred(x)?;
            let scale = (centred.sqr()?.mean_keepdim(D::Minus1)? + self.both.eps)?.sqrt()?; // [.., 1]
            if let Some(other) = pass.offer(hooks.scale, &scale)? {
                normalized = Some(centred.broadcast_div(&other)?);
            }
        }
        let normalized = match normalized {
            Some(normalized) => normalized,
            None => self.normalize(x)?,
        };
        Ok(self.scale(&pass.at(hooks.normalized, normalized)?)?)
    }

    fn centred(&self, x: &Tensor) -> Result<Tensor> {
        Ok(if self.both.centred {
            x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?
        } else {
            x.clone()
        })
    }

    /// Normalises, before weight and bias.
    fn normalize(&self, x: &Tensor) -> Result<Tensor> {
        let bare = Normalize {
            weight: None,
            bias: None,
            ..self.both.clone()
        };
        Ok(x.contiguous()?.apply_op1(bare)?)
    }

    /// Applies weight and bias.
    fn scale(&self, normalized: &Tensor) -> Result<Tensor> {
        let scaled = normalized.broadcast_mul(&self.weight)?;
        Ok(match &self.bias {
            Some(bias) => scaled.broadcast_add(bias)?,
            None => scaled,
        })
    }

    /// Replaces the weight by ones and removes the bias.
    pub(in crate::models) fn bare(&self) -> Result<Self> {
        let kind = if self.both.centred {
            NormKind::LayerNorm
        } else {
            NormKind::RmsNorm
        };
        Self::new(kind, self.weight.ones_like()?, None, self.both.eps)
    }

    /// Returns β, `[d]`, if there is one.
    pub(in crate::models) fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// Whether it removes the mean.
    pub(in crate::models) fn is_centred(&self) -> bool {
        self.both.centred
    }

    /// Returns the number that it adds to the variance.
    pub(in crate::models) fn eps(&self) -> f64 {
        self.both.eps
    }

    /// Returns γ, `[d]`.
    pub(in crate::models) fn weight(&self) -> &Tensor {
        &self.weight
    }
}
