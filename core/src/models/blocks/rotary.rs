//! Rotary positions in the half-split form: of the r dimensions that turn, dimension i turns with dimension i + r/2.

use candle_core::Tensor;

use super::Documents;
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
        let frequencies = self.of_length(first + t);
        self.of((first..first + t).map(|position| (position, frequencies)))
    }

    /// The table for rows of packed documents, each turned as it would be alone.
    pub(in crate::models) fn apart(&self, documents: &Documents) -> Rotation {
        let places = documents.positions.iter().zip(&documents.lengths);
        self.of(places.map(|(at, length)| (*at as usize, self.of_length(*length as usize))))
    }

    /// The frequencies of a pass that reaches so many positions.
    fn of_length(&self, positions: usize) -> &[f32] {
        match &self.beyond {
            Some((context, others)) if positions > *context => others,
            _ => &self.frequencies,
        }
    }

    fn of<'a>(&self, positions: impl Iterator<Item = (usize, &'a [f32])>) -> Rotation {
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
    /// Turns the first r dimensions of `x [b, t, h, e]`.
    pub(in crate::models) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.apply_op1(self.op.clone())?)
    }
}
