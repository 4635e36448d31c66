//! Effects of a feature by its weights alone: promoted and suppressed tokens, and the share of each head.

use candle_core::Tensor;
use rayon::prelude::*;

use super::written::{self, Parts};
use super::{BINS, EFFECTS, PROMOTED};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow};
use crate::sae::{ByToken, Output};

/// Logits held at once.
const CHUNK_VALUES: usize = 1 << 24;

/// Effects of one feature; those on the logits are of everything that it writes, in all layers together.
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
    /// Parts that it writes at each hook; empty where that is one hook.
    pub(super) written: Parts,
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
    sae: ByToken<'_>,
    step: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Vec<Effects>>> {
    let outputs = sae.outputs()?;
    sae.w_dec.check()?;
    let mut all = vec![Effects::default(); sae.features()];
    if let [alone] = outputs.as_slice()
        && alone.hook.is_z()
        && sae.provenance.head.is_none()
    {
        let heads = model.config().heads;
        for (effects, row) in all.iter_mut().zip(sae.w_dec.iter_rows()) {
            effects.head_shares = head_shares(row, heads);
        }
    }
    let per_chunk = (CHUNK_VALUES / model.config().vocab.max(1)).max(16);
    let numbers: Vec<u32> = (0..sae.features() as u32).collect();
    for (features, chunk) in numbers.chunks(per_chunk).zip(all.chunks_mut(per_chunk)) {
        if step().is_break() {
            return Ok(Ended::STOPPED);
        }
        let Some(whole) = on_logits(model, sae, (features, &outputs))? else {
            break;
        };
        chunk.par_iter_mut().enumerate().for_each(|(i, effects)| {
            let row = whole.row(i);
            effects.promoted = strongest(row, 1.0, EFFECTS);
            effects.suppressed = strongest(row, -1.0, EFFECTS);
            effects.logits = LogitCounts::new(row);
        });
    }
    if outputs.len() > 1 {
        let Some(parts) = written::of(model, sae, (&outputs, per_chunk), step)? else {
            return Ok(Ended::STOPPED);
        };
        for (effects, parts) in all.iter_mut().zip(parts) {
            effects.written = parts;
        }
    }
    Ok(Ended::Done(all))
}

/// Computes the effects on the logits of what `features` write to `outputs` together, `[n, v]` without padding; none where no output leads to the residual stream.
pub(super) fn on_logits(
    model: &Model,
    sae: ByToken<'_>,
    (features, outputs): (&[u32], &[Output]),
) -> Result<Option<Matrix>> {
    let mut sum: Option<Matrix> = None;
    for output in outputs
        .iter()
        .filter(|output| writes_to_residual(output.hook))
    {
        let rows = features
            .iter()
            .map(|feature| sae.written(FeatureId(*feature), output));
        let rows = rows.collect::<Result<Vec<&[f32]>>>()?.concat();
        let directions = Matrix::new(features.len(), output.width(), rows)?; // [n, w]
        let directions = in_residual(model, sae, (directions, output.hook))?; // [n, d]
        match &mut sum {
            None => sum = Some(directions),
            Some(sum) => {
                let pairs = sum.values_mut().iter_mut().zip(directions.values());
                pairs.for_each(|(sum, more)| *sum += more);
            }
        }
    }
    let Some(directions) = sum else {
        return Ok(None);
    };
    let logits = model.logit_effect(&directions)?; // [n, v]
    if logits.values().iter().any(|logit| !logit.is_finite()) {
        return Err(Error::Numeric {
            what: format!(
                "the logit effect of a feature of `{}` is not finite: its decoder or the model's weights are damaged",
                sae.name
            ),
        });
    }
    // Logits beyond the tokenizer's entries are padding.
    let vocab = model.codec().vocab_size().min(logits.columns());
    if vocab == logits.columns() {
        return Ok(Some(logits));
    }
    let named = logits.iter_rows().flat_map(|row| &row[..vocab]).copied();
    Matrix::new(logits.rows(), vocab, named.collect()).map(Some)
}

/// Returns `directions [n, w]` at `hook` as directions of the residual stream, `[n, d]`: behind `W_O` for those of `hook_z`.
fn in_residual(
    model: &Model,
    sae: ByToken<'_>,
    (directions, hook): (Matrix, HookPoint),
) -> Result<Matrix> {
    let Some(w_o) = through(model, sae, hook)? else {
        return Ok(directions);
    };
    let residual = directions.to_tensor()?.matmul(&w_o)?; // [n, h·e] · [h·e, d]
    Matrix::from_tensor(&residual, model.config().d_model)
}

/// Returns the map from directions at `hook` to the residual stream; none where they are directions of it.
fn through(model: &Model, sae: ByToken<'_>, hook: HookPoint) -> Result<Option<Tensor>> {
    let HookPoint::Block(layer, Site::Z) = hook else {
        return Ok(None);
    };
    let w_o = model.w_o(layer)?.to_tensor()?; // [h·e, d]
    Ok(Some(match sae.provenance.head {
        Some(head) => w_o.narrow(0, head.index() * sae.width(), sae.width())?,
        None => w_o,
    }))
}

/// Returns the [`PROMOTED`] tokens that each of `features` promotes most by its weights alone, strongest first; an error at a hook whose directions do not lead to
/// the residual stream.
pub fn promoted(
    (model, sae): (&Model, ByToken<'_>),
    features: &[FeatureId],
) -> Result<Vec<Vec<TokenId>>> {
    let outputs = sae.outputs()?;
    if !outputs.iter().any(|output| writes_to_residual(output.hook)) {
        let what = "directions here have no direct effect on the logits, so no feature promotes a token: name a token, or choose a dictionary of the residual stream";
        return Err(Error::hook(outputs[0].hook, what));
    }
    let per_chunk = (CHUNK_VALUES / model.config().vocab.max(1)).max(16);
    let numbers: Vec<u32> = features.iter().map(|feature| feature.0).collect();
    let mut promoted = Vec::with_capacity(features.len());
    for chunk in numbers.chunks(per_chunk) {
        let logits = on_logits(model, sae, (chunk, &outputs))?;
        promoted.extend(logits.iter().flat_map(Matrix::iter_rows).map(|row| {
            let strongest = strongest(row, 1.0, PROMOTED).into_iter();
            strongest.map(|(token, _)| token).collect()
        }));
    }
    Ok(promoted)
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

/// Returns the `most` tokens with the largest `sign · logit`; ties go to the smaller id.
pub(super) fn strongest(logits: &[f32], sign: f32, most: usize) -> Vec<(TokenId, f32)> {
    let mut best: Vec<(TokenId, f32)> = Vec::with_capacity(most + 1);
    for (id, &logit) in logits.iter().enumerate() {
        let weaker = |kept: &(TokenId, f32)| sign * kept.1 < sign * logit;
        if best.len() == most && !best.last().is_some_and(weaker) {
            continue;
        }
        let at = best.partition_point(|kept| !weaker(kept));
        best.insert(at, (TokenId::from(id), logit));
        best.truncate(most);
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
