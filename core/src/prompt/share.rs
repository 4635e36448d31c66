//! Shares of features in a dictionary's reconstruction of a text.
//!
//! At a token, `r = Σ a_f · d_f` is the reconstruction less `b_dec` (and, of a transcoder, less its skip connection). The share of a feature is
//! `a_f · ⟨d_f, r⟩ / ‖r‖²`. Shares of a token sum to 1; one below 0 belongs to a feature that points against the others. Over a text, tokens are weighted by
//! `‖r‖²`: the share is `Σ_t a_f ⟨d_f, r⟩ / Σ_t ‖r‖²`.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::Reading;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::sae::Sae;

/// Shares of every active feature in the reconstruction of its token.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares {
    /// Share of each entry of the latents, `[nnz]`.
    entries: Vec<f32>,
    /// `‖r‖²` of each token at the scale of the activations, `[n]`.
    squares: Vec<f64>,
}

impl Shares {
    /// Computes the shares of `latents`, the code of `x [n, d]` by `sae`, with sums in f64.
    pub fn new(sae: &Sae, latents: &Latents, x: &Matrix) -> Result<Self> {
        let rows: Vec<(Vec<f32>, f64)> = (0..latents.rows())
            .into_par_iter()
            .map(|t| row(sae, latents, (t, x)))
            .collect::<Result<_>>()?;
        let squares = rows.iter().map(|(_, square)| *square).collect();
        let entries = rows.into_iter().flat_map(|(shares, _)| shares).collect();
        Ok(Self { entries, squares })
    }

    /// Returns the shares of token `t`, in the order of its entries; none where they were not computed.
    pub fn row<'a>(&'a self, latents: &Latents, t: usize) -> &'a [f32] {
        self.entries.get(latents.range(t)).unwrap_or_default()
    }
}

/// Shares of one token's entries, and its `‖r‖²`.
fn row(sae: &Sae, latents: &Latents, (t, x): (usize, &Matrix)) -> Result<(Vec<f32>, f64)> {
    let mut sum = vec![0.0_f64; sae.w_dec.columns()];
    for (feature, act) in latents.row(t) {
        for (sum, d) in sum.iter_mut().zip(sae.direction(feature)?) {
            *sum += f64::from(act) * f64::from(*d);
        }
    }
    let square: f64 = sum.iter().map(|r| r * r).sum();
    let share = |(feature, act): (FeatureId, f32)| {
        let along = sae.direction(feature)?.iter().zip(&sum);
        let along: f64 = along.map(|(d, r)| f64::from(*d) * r).sum();
        let share = f64::from(act) * along / square;
        Ok(if share.is_finite() { share as f32 } else { 0.0 })
    };
    let shares = latents.row(t).map(share).collect::<Result<Vec<f32>>>()?;
    let back = if sae.role.transcodes() {
        1.0
    } else {
        sae.input_norm.back(x.row(t)).0
    };
    Ok((shares, square * back * back))
}

/// Part of a feature in a text, over the tokens that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Feature.
    pub feature: FeatureId,
    /// Share of the reconstruction, see [`Shares`].
    pub share: f64,
    /// Largest activation in size, with its sign.
    pub act: f32,
    /// Position of that activation.
    pub at: usize,
    /// Number of tokens on which it is active.
    pub tokens: usize,
}

impl Reading {
    /// Returns the share of a feature in the reconstruction of token `t`; 0 where it is not active.
    pub fn share(&self, t: usize, feature: FeatureId) -> f64 {
        let row = &self.latents.features[self.latents.range(t)];
        let found = row.binary_search(&feature.0).ok();
        let share = found.and_then(|at| self.shares.row(&self.latents, t).get(at));
        share.map_or(0.0, |share| f64::from(*share))
    }

    /// Returns every feature that is active on a token that counts, largest share of the reconstruction in size first.
    pub fn parts(&self) -> Vec<Part> {
        let counted = (0..self.latents.rows()).filter(|t| self.counts.get(*t) == Some(&true));
        let mut parts: BTreeMap<FeatureId, Part> = BTreeMap::new();
        let mut whole = 0.0;
        for t in counted {
            let square = self.shares.squares.get(t).copied().unwrap_or(0.0);
            whole += square;
            let shares = self.shares.row(&self.latents, t);
            for (at, (feature, act)) in self.latents.row(t).enumerate() {
                if act == 0.0 {
                    continue;
                }
                let part = parts.entry(feature).or_insert(Part {
                    feature,
                    share: 0.0,
                    act,
                    at: t,
                    tokens: 0,
                });
                part.share += f64::from(shares.get(at).copied().unwrap_or(0.0)) * square;
                part.tokens += 1;
                if act.abs() > part.act.abs() {
                    (part.act, part.at) = (act, t);
                }
            }
        }
        let mut parts: Vec<Part> = parts.into_values().collect();
        for part in &mut parts {
            part.share /= if whole > 0.0 { whole } else { 1.0 };
        }
        parts.sort_by(|a, b| {
            let order = b.share.abs().total_cmp(&a.share.abs());
            order
                .then(b.act.abs().total_cmp(&a.act.abs()))
                .then(a.feature.cmp(&b.feature))
        });
        parts
    }
}
