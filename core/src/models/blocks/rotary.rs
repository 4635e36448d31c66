//! Rotary positions in the half-split form: dimension i turns with dimension i + e/2.

use candle_core::{D, Device, Tensor};

use crate::error::Result;

/// Angles per position of one model.
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotary {
    /// Radians per position of each pair, `[e/2]`.
    pub(in crate::models) frequencies: Vec<f32>,
}

/// Sines and cosines of the positions of one pass, `[t, 1, e]` each (the half table written twice).
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotary {
    /// `base^(-2i/e)` for head width `e`.
    pub(in crate::models) fn new(base: f64, d_head: usize) -> Self {
        let frequencies = (0..d_head / 2)
            .map(|i| (1.0 / base.powf(2.0 * i as f64 / d_head as f64)) as f32)
            .collect();
        Self { frequencies }
    }

    /// The table for `t` positions from `first`.
    pub(in crate::models) fn rotation(&self, first: usize, t: usize) -> Result<Rotation> {
        let e = 2 * self.frequencies.len();
        let mut cos = Vec::with_capacity(t * e);
        let mut sin = Vec::with_capacity(t * e);
        for position in first..first + t {
            for half in 0..e {
                let angle = position as f32 * self.frequencies[half % (e / 2)];
                cos.push(angle.cos());
                sin.push(angle.sin());
            }
        }
        Ok(Rotation {
            cos: Tensor::from_vec(cos, (t, 1, e), &Device::Cpu)?,
            sin: Tensor::from_vec(sin, (t, 1, e), &Device::Cpu)?,
        })
    }
}

impl Rotation {
    /// Turns `x [b, t, h, e]`.
    pub(in crate::models) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let half = x.dim(D::Minus1)? / 2;
        let (low, high) = (
            x.narrow(D::Minus1, 0, half)?,
            x.narrow(D::Minus1, half, half)?,
        );
        let turned = Tensor::cat(&[&high.neg()?, &low], D::Minus1)?; // [b, t, h, e]
        Ok((x.broadcast_mul(&self.cos)? + turned.broadcast_mul(&self.sin)?)?)
    }
}
