//! Rotary positions in the half-split form: of the r rotated dimensions, dimension i pairs with dimension i + r/2.

use candle_core::Tensor;

use super::Documents;
use crate::error::Result;
use crate::kernels::rotary::Rotate;

/// Angles per position of one model.
#[derive(Debug, Clone)]
pub(in crate::models) struct Rotary {
    /// Radians per position of each pair, `[r/2]`.
    pub(in crate::models) frequencies: Vec<f32>,
    /// Length beyond which a pass uses other angles, and those angles.
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
    /// Returns the table for `t` positions from `first`.
    pub(in crate::models) fn rotation(&self, first: usize, t: usize) -> Rotation {
        let frequencies = self.frequencies_at(first + t);
        self.table((first..first + t).map(|position| (position, frequencies)))
    }

    /// Returns the table for rows of packed documents, each rotated as it would be alone.
    pub(in crate::models) fn apart(&self, documents: &Documents) -> Rotation {
        let places = documents.positions.iter().zip(&documents.lengths);
        self.table(places.map(|(at, length)| (*at as usize, self.frequencies_at(*length as usize))))
    }

    /// Returns the frequencies of a pass that reaches so many positions.
    fn frequencies_at(&self, positions: usize) -> &[f32] {
        match &self.beyond {
            Some((context, others)) if positions > *context => others,
            _ => &self.frequencies,
        }
    }

    fn table<'a>(&self, positions: impl Iterator<Item = (usize, &'a [f32])>) -> Rotation {
        let angles = positions.flat_map(|(position, frequencies)| {
            frequencies.iter().map(move |f| position as f32 * f)
        });
        let angles: Vec<f32> = angles.collect();
        let op = Rotate {
            cos: angles.iter().map(|a| a.cos() * self.factor).collect(),
            sin: angles.iter().map(|a| a.sin() * self.factor).collect(),
            pairs: self.frequencies.len(),
        };
        Rotation { op }
    }
}

impl Rotation {
    /// Rotates the first r dimensions of `x [b, t, h, e]`.
    pub(in crate::models) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.apply_op1(self.op.clone())?)
    }
}
