//! Rotary positions in the half-split form: of the r dimensions that turn, dimension i turns with dimension i + r/2.

use candle_core::{D, Device, Tensor};

use crate::error::Result;

/// Angles per position of one model.
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotary {
    /// Radians per position of each pair, `[r/2]`.
    pub(in crate::models) frequencies: Vec<f32>,
    /// Others for a pass that reaches beyond so many positions.
    pub(in crate::models) beyond: Option<(usize, Vec<f32>)>,
    /// Factor on sines and cosines.
    pub(in crate::models) factor: f32,
}

/// Sines and cosines of the positions of one pass, `[t, 1, r]` each (the half table written twice).
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// The table for `t` positions from `first`.
    pub(in crate::models) fn rotation(&self, first: usize, t: usize) -> Result<Rotation> {
        let frequencies = match &self.beyond {
            Some((context, others)) if first + t > *context => others,
            _ => &self.frequencies,
        };
        let r = 2 * frequencies.len();
        let mut cos = Vec::with_capacity(t * r);
        let mut sin = Vec::with_capacity(t * r);
        for position in first..first + t {
            for half in 0..r {
                let angle = position as f32 * frequencies[half % (r / 2)];
                cos.push(angle.cos() * self.factor);
                sin.push(angle.sin() * self.factor);
            }
        }
        Ok(Rotation {
            cos: Tensor::from_vec(cos, (t, 1, r), &Device::Cpu)?,
            sin: Tensor::from_vec(sin, (t, 1, r), &Device::Cpu)?,
        })
    }
}

impl Rotation {
    /// Turns the first r dimensions of `x [b, t, h, e]`.
    pub(in crate::models) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (e, r) = (x.dim(D::Minus1)?, self.cos.dim(D::Minus1)?);
        let low = x.narrow(D::Minus1, 0, r / 2)?;
        let high = x.narrow(D::Minus1, r / 2, r / 2)?;
        let across = Tensor::cat(&[&high.neg()?, &low], D::Minus1)?; // [b, t, h, r]
        let turning = x.narrow(D::Minus1, 0, r)?;
        let turned = (turning.broadcast_mul(&self.cos)? + across.broadcast_mul(&self.sin)?)?;
        if r == e {
            return Ok(turned);
        }
        let still = x.narrow(D::Minus1, r, e - r)?;
        // Joined in the last dimension, they come out transposed.
        Ok(Tensor::cat(&[&turned, &still], D::Minus1)?.contiguous()?)
    }
}
