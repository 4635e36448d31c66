//! Effects of a feature by its weights alone: promoted and suppressed tokens, and the share of each head.

use rayon::prelude::*;

use super::{BINS, EFFECTS};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::sae::Autoencoder;

/// Logits held at once.
const CHUNK_VALUES: usize = 1 << 24;

/// Effects of one feature.
#[derive(Debug, Clone, Default)]
pub(super) struct Effects {
    /// Promoted tokens, strongest first.
    pub(super) promoted: Vec<(TokenId, f32)>,
    /// Suppressed tokens, most negative first.
    pub(super) suppressed: Vec<(TokenId, f32)>,
    /// Effects on all tokens; empty where there are none.
    pub(super) logits: LogitCounts,
    /// `[h]` at `hook_z`, empty elsewhere.
    pub(super) head_shares: Vec<f32>,
}

/// Number of tokens in each part of the range of effects.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LogitCounts {
    pub(super) least: f32,
    pub(super) most: f32,
    /// `[BINS]` equal bins, the last one holding the largest effect; one bin where all effects are equal.
    pub(super) counts: Vec<u64>,
}

impl LogitCounts {
    fn new(effects: &[f32]) -> Self {
        let least = effects.iter().copied().fold(f32::INFINITY, f32::min);
        let most = effects.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if effects.is_empty() {
            return Self::default();
        }
        let width = (f64::from(most) - f64::from(least)) / BINS as f64;
        let mut counts = vec![0; if width > 0.0 { BINS } else { 1 }];
        for effect in effects {
            let bin = (f64::from(*effect) - f64::from(least)) / width;
            // A bin of width 0 holds all.
            let bin = if bin.is_nan() { 0 } else { bin as usize };
            let last = counts.len() - 1;
            counts[bin.min(last)] += 1;
        }
        Self {
            least,
            most,
            counts,
        }
    }
}

/// Computes the effects of all features.
pub(super) fn of(
    model: &Model,
    sae: Autoencoder<'_>,
    step: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Vec<Effects>>> {
    let hook = sae.hook()?;
    sae.w_dec.check()?;
    let mut all = vec![Effects::default(); sae.features()];
    if hook.is_z() && sae.provenance.head.is_none() {
        let heads = model.config().heads;
        for (effects, row) in all.iter_mut().zip(sae.w_dec.iter_rows()) {
            effects.head_shares = head_shares(row, heads);
        }
    }
    if !writes_to_residual(hook) {
        return Ok(Ended::Done(all));
    }
    let through = match hook {
        HookPoint::Block(layer, Site::Z) => {
            let w_o = model.w_o(layer)?.to_tensor()?; // [h·e, d]
            Some(match sae.provenance.head {
                Some(head) => w_o.narrow(0, head.index() * sae.width(), sae.width())?,
                None => w_o,
            })
        }
        _ => None,
    };
    let d = sae.width();
    let per_chunk = (CHUNK_VALUES / model.config().vocab.max(1)).max(16);
    let vocab = model.codec().vocab_size();
    let rows = sae.w_dec.values().chunks(per_chunk * d);
    for (values, chunk) in rows.zip(all.chunks_mut(per_chunk)) {
        if step().is_break() {
            return Ok(Ended::STOPPED);
        }
        let mut directions = Matrix::new(chunk.len(), d, values.to_vec())?; // [n, d]
        if let Some(w_o) = &through {
            let residual = directions.to_tensor()?.matmul(w_o)?; // [n, h·e] · [h·e, d]
            directions = Matrix::from_tensor(&residual, model.config().d_model)?;
        }
        let logits = model.logit_effect(&directions)?; // [n, v]
        if logits.values().iter().any(|logit| !logit.is_finite()) {
            return Err(Error::Numeric {
                what: format!(
                    "the logit effect of a feature of `{}` is not finite: its decoder or the model's weights are damaged",
                    sae.name
                ),
            });
        }
        chunk.par_iter_mut().enumerate().for_each(|(i, effects)| {
            // Logits beyond the tokenizer's entries are padding.
            let row = &logits.row(i)[..vocab.min(logits.columns())];
            effects.promoted = strongest(row, 1.0);
            effects.suppressed = strongest(row, -1.0);
            effects.logits = LogitCounts::new(row);
        });
    }
    Ok(Ended::Done(all))
}

/// Returns whether directions at `hook` are directions of the residual stream; those of `hook_z` are after `W_O`.
fn writes_to_residual(hook: HookPoint) -> bool {
    match hook {
        HookPoint::Embed | HookPoint::PosEmbed => true,
        HookPoint::FinalScale | HookPoint::FinalNormalized => false,
        HookPoint::Block(_, site) => matches!(
            site,
            Site::ResidPre
                | Site::Z
                | Site::AttnOut
                | Site::ResidMid
                | Site::MlpOut
                | Site::ResidPost
        ),
    }
}

/// Returns the [`EFFECTS`] tokens with the largest `sign · logit`; ties go to the smaller id.
fn strongest(logits: &[f32], sign: f32) -> Vec<(TokenId, f32)> {
    let mut best: Vec<(TokenId, f32)> = Vec::with_capacity(EFFECTS + 1);
    for (id, &logit) in logits.iter().enumerate() {
        let weaker = |kept: &(TokenId, f32)| sign * kept.1 < sign * logit;
        if best.len() == EFFECTS && !best.last().is_some_and(weaker) {
            continue;
        }
        let at = best.partition_point(|kept| !weaker(kept));
        best.insert(at, (TokenId::from(id), logit));
        best.truncate(EFFECTS);
    }
    best
}

/// Returns the norm of each head's slice of a decoder row, divided by the sum of these norms, `[h]`.
fn head_shares(row: &[f32], heads: usize) -> Vec<f32> {
    let norms: Vec<f64> = row
        .chunks(row.len().div_ceil(heads.max(1)))
        .map(norm)
        .collect();
    let sum: f64 = norms.iter().sum();
    norms
        .iter()
        .map(|norm| (norm / sum.max(f64::MIN_POSITIVE)) as f32)
        .collect()
}

pub(super) fn norm(values: &[f32]) -> f64 {
    let squares = values.iter().map(|v| f64::from(*v).powi(2));
    squares.sum::<f64>().sqrt()
}
