//! Rotary positions in the half-split form: of the r dimensions that turn, dimension i turns with dimension i + r/2.

use candle_core::Tensor;

use crate::error::Result;
use crate::kernels::rotary::Rotate;

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

/// Sines and cosines of the positions of one pass.
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotation {
    op: Rotate,
}

impl Rotary {
    /// The table for `t` positions from `first`.
    pub(in crate::models) fn rotation(&self, first: usize, t: usize) -> Rotation {
        let frequencies = match &self.beyond {
            Some((context, others)) if first + t > *context => others,
            _ => &self.frequencies,
        };
        let angles = (first..first + t)
            .flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
        let op = Rotate {
            cos: angles.clone().map(|a| a.cos() * self.factor).collect(),
            sin: angles.map(|a| a.sin() * self.factor).collect(),
            pairs: frequencies.len(),
        };
        Rotation { op }
    }
}

impl Rotation {
    /// Turns the first r dimensions of `x [b, t, h, e]`.
    pub(in crate::models) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.apply_op1(self.op.clone())?)
    }
}
