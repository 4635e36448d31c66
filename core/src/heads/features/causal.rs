//! Causal effect of a feature through a head: what cross-entropy becomes when the feature's part is taken out of the head's z.

use std::borrow::Cow;

use candle_core::Tensor;
use rayon::prelude::*;

use super::on_text::output_scale;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::heads::layer_of;
use crate::ids::{FeatureId, Head, HookPoint, Layer, Site, TokenId};
use crate::latents::Latents;
use crate::models::{Capture, HookFn, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::prompt::log_sum_exp;
use crate::sae::Autoencoder;

/// Causal effect of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Mean rise of cross-entropy in nats over the tokens where the feature is active.
    pub rise: f64,
    /// Number of these tokens.
    pub tokens: u64,
}

/// Sampled rows of a text, read once: everything that a pass from the layer on starts from.
#[derive(Debug)]
pub struct Sample<'m> {
    model: Cow<'m, Model>,
    layer: Layer,
    rows: Vec<SampledRow>,
    context: usize,
}

#[derive(Debug)]
struct SampledRow {
    /// Number of the row in the text.
    number: usize,
    tokens: Vec<TokenId>,
    /// Residual stream entering the layer, `[1, t, d]`.
    residual: Tensor,
    z: Matrix,
    shape: Vec<usize>,
    latents: Latents,
    /// Scale of a decoder row on each token.
    scale: Vec<f32>,
    counts: Vec<bool>,
    /// Whether cross-entropy counts each position, `[t − 1]`.
    charged: Vec<bool>,
    /// Cross-entropy of the unmodified model at each charged position, `[t − 1]`; 0 elsewhere.
    clean: Vec<f64>,
}

impl<'m> Sample<'m> {
    /// Reads `most` rows of the text at most, evenly spaced.
    pub fn new(
        model: &'m Model,
        sae: Autoencoder<'_>,
        rows: &Rows,
        most: usize,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Self>> {
        let layer = layer_of(model, sae)?;
        let chosen = evenly(rows.len(), most);
        if chosen.is_empty() || rows.context() < 2 {
            let what = "the causal effect needs a row of two tokens or more, give more text";
            return Err(Error::setting("corpus", what));
        }
        let mut sample = Self {
            model: capture::reader(model, rows)?,
            layer,
            rows: Vec::new(),
            context: rows.context(),
        };
        for (done, number) in chosen.iter().enumerate() {
            let row = sample.read(sae, rows, *number)?;
            sample.rows.push(row);
            let progress = Progress::rows(done + 1, chosen.len());
            if observe(progress).is_break() && done + 1 < chosen.len() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(sample))
    }

    fn read(&self, sae: Autoencoder<'_>, rows: &Rows, number: usize) -> Result<SampledRow> {
        let tokens = rows.row(number);
        let [residual, z] =
            [Site::ResidPre, Site::Z].map(|site| HookPoint::Block(self.layer, site));
        let mut capture = Capture::to_the_end([residual, z]);
        let logits = self
            .model
            .run(Start::Tokens(&token_tensor(&[tokens])?), &mut capture)?;
        let charged = rows.charges(number);
        let mut take = |hook: HookPoint| {
            let missing = || Error::hook(hook, format!("{} did not reach it", self.model.name()));
            capture.values.remove(&hook).ok_or_else(missing)
        };
        let (residual, value) = (take(residual)?, take(z)?);
        let z = Matrix::from_tensor(&value, sae.width())?;
        let [scale, _] = output_scale(sae, &z)?;
        Ok(SampledRow {
            number,
            residual,
            shape: value.dims().to_vec(),
            latents: sae.encode(&z)?,
            scale: scale.into_values(),
            clean: losses(logits, tokens, &charged)?,
            tokens: tokens.to_vec(),
            counts: rows.counts(number).to_vec(),
            charged,
            z,
        })
    }

    /// Number of sampled rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the charged tokens of the sample: their places in the text, counted over all rows.
    pub fn charged(&self) -> Vec<usize> {
        let places = |row: &SampledRow| {
            let first = row.number * self.context;
            let at = row
                .charged
                .iter()
                .enumerate()
                .filter(|(_, charged)| **charged);
            at.map(|(at, _)| first + at).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(places).collect()
    }

    /// Returns the features that are active on each of [`Self::charged`].
    pub fn active(&self) -> Vec<Vec<FeatureId>> {
        let of_row = |row: &SampledRow| {
            let at = row
                .charged
                .iter()
                .enumerate()
                .filter(|(_, charged)| **charged);
            let active = |at: usize| {
                let entries = row.latents.row(at).filter(|(_, act)| *act != 0.0);
                entries.map(|(feature, _)| feature).collect::<Vec<_>>()
            };
            at.map(|(at, _)| active(at)).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(of_row).collect()
    }

    /// Computes the rise of cross-entropy on each of [`Self::charged`] when the head's z is replaced by `mean [h·e]` at the positions that count.
    pub fn ablated(&self, head: Head, mean: &[f32]) -> Result<Vec<f64>> {
        let of_row = |row: &SampledRow| {
            let mut z = row.z.clone();
            let slice = self.slice(head);
            for at in (0..z.rows()).filter(|at| row.counts[*at]) {
                z.row_mut(at)[slice.clone()].copy_from_slice(&mean[slice.clone()]);
            }
            let rises = self.rises(row, &z)?;
            let charged = rises.into_iter().zip(&row.charged);
            Ok(charged
                .filter(|(_, charged)| **charged)
                .map(|(rise, _)| rise)
                .collect())
        };
        let rows: Vec<Vec<f64>> = self.rows.par_iter().map(of_row).collect::<Result<_>>()?;
        Ok(rows.concat())
    }

    /// Computes the causal effect of `feature` through `head`; none where it is silent in the sample.
    pub fn effect(
        &self,
        sae: Autoencoder<'_>,
        feature: FeatureId,
        head: Head,
    ) -> Result<Option<Effect>> {
        let direction = &sae.direction(feature)?[self.slice(head)];
        let of_row = |row: &SampledRow| -> Result<Vec<f64>> {
            let acts: Vec<f32> = (0..row.z.rows())
                .map(|at| {
                    if row.counts[at] {
                        row.latents.get(at, feature)
                    } else {
                        0.0
                    }
                })
                .collect();
            let measured = |at: &usize| acts[*at] != 0.0 && row.charged[*at];
            let places: Vec<usize> = (0..row.charged.len()).filter(measured).collect();
            if places.is_empty() {
                return Ok(Vec::new());
            }
            let mut z = row.z.clone();
            for (at, act) in acts.iter().enumerate().filter(|(_, act)| **act != 0.0) {
                let by = act * row.scale[at];
                let part = &mut z.row_mut(at)[self.slice(head)];
                part.iter_mut()
                    .zip(direction)
                    .for_each(|(z, d)| *z -= by * d);
            }
            let rises = self.rises(row, &z)?;
            Ok(places.into_iter().map(|at| rises[at]).collect())
        };
        let rows: Vec<Vec<f64>> = self.rows.par_iter().map(of_row).collect::<Result<_>>()?;
        let rises = rows.concat();
        let tokens = rises.len() as u64;
        Ok((tokens > 0).then(|| Effect {
            rise: rises.iter().sum::<f64>() / tokens as f64,
            tokens,
        }))
    }

    fn slice(&self, head: Head) -> std::ops::Range<usize> {
        let e = self.model.config().d_head;
        head.index() * e..(head.index() + 1) * e
    }

    /// Computes the rise of cross-entropy at every position with `z` in place of the row's own, `[t − 1]`; 0 where it is not charged.
    fn rises(&self, row: &SampledRow, z: &Matrix) -> Result<Vec<f64>> {
        let value = z.to_tensor()?.reshape(row.shape.as_slice())?;
        let mut replace = HookFn::new(HookPoint::Block(self.layer, Site::Z), |_, _: &Tensor| {
            Ok(Some(value.clone()))
        });
        let tokens = token_tensor(&[&row.tokens])?;
        let start = Start::Residual(self.layer, &row.residual, Some(&tokens));
        let logits = self.model.run(start, &mut replace)?;
        let losses = losses(logits, &row.tokens, &row.charged)?;
        Ok(losses
            .iter()
            .zip(&row.clean)
            .map(|(loss, clean)| loss - clean)
            .collect())
    }
}

/// Computes the causal effects of `features` through `head`.
pub fn effects(
    sample: &Sample<'_>,
    sae: Autoencoder<'_>,
    (features, head): (&[FeatureId], Head),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Option<Effect>>>> {
    let mut effects = Vec::with_capacity(features.len());
    for feature in features {
        effects.push(sample.effect(sae, *feature, head)?);
        let progress = Progress::new(effects.len(), features.len(), "features");
        if observe(progress).is_break() && effects.len() < features.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(effects))
}

/// Returns `most` of `0..rows`, evenly spaced; all of them where there are fewer.
fn evenly(rows: usize, most: usize) -> Vec<usize> {
    let count = rows.min(most);
    (0..count).map(|at| at * rows / count.max(1)).collect()
}

/// Computes the cross-entropy of `logits [1, t, v]` at each charged position, `[t − 1]`; 0 elsewhere.
fn losses(logits: Option<Tensor>, tokens: &[TokenId], charged: &[bool]) -> Result<Vec<f64>> {
    let logits = logits.ok_or_else(|| Error::Shape {
        op: "causal effect",
        what: "the forward pass ended before the logits".to_owned(),
    })?;
    let (_, _, v) = logits.dims3()?;
    let values = logits.flatten_all()?.to_vec1::<f32>()?;
    let positions = values.chunks_exact(v).zip(&tokens[1..]).zip(charged);
    Ok(positions
        .map(|((logits, target), charged)| {
            if *charged {
                log_sum_exp(logits) - f64::from(logits[target.index()])
            } else {
                0.0
            }
        })
        .collect())
}
