//! Parts into which a dictionary takes a hook's values apart: what each feature adds, the constant part, and the error.

use std::ops::Range;

use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::ByToken;

/// Values of a hook on one text, taken apart: `own = Σ added + constant + error` at each position.
pub(in crate::causes) struct Parts<'a> {
    sae: ByToken<'a>,
    /// Part of the hook's values that the dictionary writes, `[t, d]`.
    pub(in crate::causes) own: Matrix,
    /// Its code.
    pub(in crate::causes) code: Latents,
    /// Reconstruction, `[t, d]`.
    made: Matrix,
    /// Part that the reconstruction lacks, `[t, d]`.
    pub(in crate::causes) error: Matrix,
    /// Columns of the hook's values that the dictionary writes, heads side by side.
    pub(in crate::causes) columns: Range<usize>,
    /// Factor by which a decoder row reaches each position, `[t]`.
    back: Vec<f64>,
}

impl<'a> Parts<'a> {
    /// Takes `whole [t, h·e]`, the values of the hook that the dictionary writes, apart; `read [t, …]` are those of the hook that it reads, the same for an autoencoder.
    pub(in crate::causes) fn new(sae: ByToken<'a>, whole: &Matrix, read: &Matrix) -> Result<Self> {
        let x = sae.own_part(read)?.into_owned();
        let code = sae.encode(&x)?;
        let made = sae.decode(&code, &x)?;
        let transcodes = sae.role.transcodes();
        let own = if transcodes { whole.clone() } else { x };
        let mut error = own.clone();
        for (error, made) in error.values_mut().iter_mut().zip(made.values()) {
            *error -= made;
        }
        let d = own.columns();
        let first = sae.provenance.head.map_or(0, |head| head.index() * d);
        // A transcoder's output is not brought back to the scale of what it reads.
        let back = own.iter_rows().map(|row| {
            if transcodes {
                1.0
            } else {
                sae.input_norm.back(row).0
            }
        });
        Ok(Self {
            back: back.collect(),
            columns: first..first + d,
            sae,
            own,
            code,
            made,
            error,
        })
    }

    /// Computes what `feature` with `activation` adds to the hook at `position`, `[d]`.
    pub(in crate::causes) fn added(
        &self,
        position: usize,
        feature: FeatureId,
        activation: f32,
    ) -> Result<Vec<f32>> {
        let by = f64::from(activation) * self.back[position];
        let row = self.sae.direction(feature)?.iter();
        Ok(row.map(|w| (by * f64::from(*w)) as f32).collect())
    }

    /// Computes what the reconstruction has at `position` besides its features, `[d]`: the bias, and of a transcoder what takes its skip connection.
    pub(in crate::causes) fn constant(&self, position: usize) -> Result<Vec<f32>> {
        let made = self.made.row(position).iter();
        let mut left: Vec<f64> = made.map(|made| f64::from(*made)).collect();
        for (feature, activation) in self.code.row(position) {
            for (left, added) in left
                .iter_mut()
                .zip(self.added(position, feature, activation)?)
            {
                *left -= f64::from(added);
            }
        }
        Ok(left.into_iter().map(|left| left as f32).collect())
    }

    /// Computes the product of a gradient at the hook `[h·e]` with a part `[d]`, in f64.
    pub(in crate::causes) fn along(&self, gradient: &[f32], part: &[f32]) -> f64 {
        let pairs = gradient[self.columns.clone()].iter().zip(part);
        pairs.map(|(g, p)| f64::from(*g) * f64::from(*p)).sum()
    }
}
