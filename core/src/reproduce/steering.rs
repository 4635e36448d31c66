//! Steering experiment: the effect of a feature's direction on the next token (after Olmo et al. 2024, whose protocol is not fully published).
//!
//! `c · direction`, c in multiples of the mean length of the activation, is added at the last position of contexts in which the feature is silent there. Of each
//! feature: the largest change of a logit, averaged over contexts first; KL to the unsteered next token; how much more its own ten direct-effect tokens gain
//! than logits move on average; how often the first of these wins. Of a dictionary the median feature, and the mean share of wins.

use candle_core::Tensor;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::measure::{densities, median};
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Layer, Site};
use crate::models::{Model, NoHooks, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::steer::{divergence, log_probabilities};

/// Strengths in multiples of the mean length of activations.
pub(super) const STRENGTHS: [f32; 4] = [0.5, 1.0, 2.0, 4.0];
/// Live features that are tried, contexts of each, contexts to choose from, tokens of a context, tokens of a direct effect.
const FEATURES: usize = 96;
const CONTEXTS: usize = 16;
const POOL: usize = 64;
const TOKENS: usize = 16;
const OWN: usize = 10;

/// Describes the protocol for the report.
pub(super) fn protocol() -> String {
    format!(
        "{FEATURES} random live features, added at the last position of {CONTEXTS} contexts of {TOKENS} tokens, strengths in mean lengths of the activation"
    )
}

/// Effects of one strength: medians over features, the mean for `wins`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Effect {
    /// Largest over the vocabulary of the mean logit change.
    pub(super) logit: f64,
    /// Mean KL(steered ‖ unsteered), nats.
    pub(super) kl: f64,
    /// Mean change of the feature's own tokens less the mean absolute change, logits.
    pub(super) selectivity: f64,
    /// Share of contexts in which the feature's first own token becomes the most likely one.
    pub(super) wins: f64,
}

/// Effects by strength.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steering(pub(super) [Effect; STRENGTHS.len()]);

/// Returns the layer that reads the residual stream at `hook`.
pub(super) fn layer_after(hook: HookPoint) -> Result<Layer> {
    match hook {
        HookPoint::Block(layer, Site::ResidPre) => Ok(layer),
        HookPoint::Block(Layer(layer), Site::ResidPost) => Ok(Layer(layer + 1)),
        _ => Err(Error::hook(
            hook,
            "is not a residual stream, which gradient SAEs are tried on: give a hook_resid_pre or hook_resid_post",
        )),
    }
}

/// Contexts with their activations and logits.
struct Contexts {
    layer: Layer,
    /// `[POOL · TOKENS, d]`.
    x: Matrix,
    tokens: usize,
    /// Logits and log-probabilities after the last token of each.
    before: Vec<(Vec<f32>, Vec<f64>)>,
    /// Mean length of activations.
    length: f32,
}

/// Runs the experiment on `sae`, whose live features are those active on `held_out [n, d]`; `observe` gets the features done.
pub(super) fn measure(
    model: &Model,
    sae: &Sae,
    (hook, rows, held_out): (HookPoint, &Rows, &Matrix),
    seed: u64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Steering>> {
    let contexts = Contexts::read(model, rows, hook, held_out)?;
    let density = densities(&sae.encode(held_out)?, sae.features());
    let mut live: Vec<u32> = (0..sae.features() as u32)
        .filter(|f| density[*f as usize] > 0.0)
        .collect();
    live.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    live.truncate(FEATURES);
    let own = own_tokens(model, &sae.w_dec.rows_of(&live))?;
    let silent = contexts.silent(sae)?;
    let features: Vec<(u32, Vec<usize>)> = live.into_iter().zip(own).collect();
    let mut all = Vec::new();
    for some in features.chunks(2 * rayon::current_num_threads()) {
        let parts: Vec<[Effect; STRENGTHS.len()]> = some
            .par_iter()
            .map(|(feature, own)| {
                let chosen = silent(*feature);
                contexts.steer(model, sae.w_dec.row(*feature as usize), &chosen, own)
            })
            .collect::<Result<_>>()?;
        all.extend(parts);
        if observe(Progress::new(all.len(), features.len(), "features")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    let over = |i: usize, part: fn(&Effect) -> f64| -> Vec<f64> {
        all.iter().map(|effects| part(&effects[i])).collect()
    };
    Ok(Ended::Done(Steering(std::array::from_fn(|i| Effect {
        logit: median(over(i, |effect| effect.logit)),
        kl: median(over(i, |effect| effect.kl)),
        selectivity: median(over(i, |effect| effect.selectivity)),
        wins: over(i, |effect| effect.wins).iter().sum::<f64>() / all.len().max(1) as f64,
    }))))
}

/// Returns the tokens with the largest direct effects of each direction `[n, d]`, largest first.
fn own_tokens(model: &Model, directions: &Matrix) -> Result<Vec<Vec<usize>>> {
    let effects = model.logit_effect(directions)?;
    let first = |effect: &[f32]| {
        let mut order: Vec<usize> = (0..effect.len()).collect();
        order.sort_by(|a, b| effect[*b].total_cmp(&effect[*a]).then(a.cmp(b)));
        order.truncate(OWN);
        order
    };
    Ok(effects.iter_rows().map(first).collect())
}

impl Contexts {
    fn read(model: &Model, rows: &Rows, hook: HookPoint, held_out: &Matrix) -> Result<Self> {
        let tokens = TOKENS.min(rows.context());
        let pool = POOL.min(rows.len());
        let chosen: Vec<_> = (0..pool)
            .map(|i| &rows.row(i * rows.len() / pool)[..tokens])
            .collect();
        let layer = layer_after(hook)?;
        let input = token_tensor(&chosen)?;
        let values = model.capture(&input, &[hook])?;
        let missing = || Error::hook(hook, "was not reached");
        let residual = values.get(&hook).ok_or_else(missing)?;
        let lengths = (held_out.iter_rows()).map(|row| {
            row.iter()
                .map(|x| f64::from(*x).powi(2))
                .sum::<f64>()
                .sqrt()
        });
        let length = lengths.sum::<f64>() / held_out.rows().max(1) as f64;
        let x = Matrix::from_tensor(residual, model.width(hook)?)?;
        let before = last_logits(model, layer, residual)?;
        let before = before.into_iter().map(|logits| {
            let row = Tensor::from_slice(&logits, logits.len(), &crate::device::cpu())?;
            let probabilities = log_probabilities(&row)?;
            Ok((logits, probabilities))
        });
        Ok(Self {
            layer,
            x,
            tokens,
            before: before.collect::<Result<_>>()?,
            length: length as f32,
        })
    }

    /// Contexts in which a feature is silent at the last position, as a function of the feature.
    fn silent(&self, sae: &Sae) -> Result<impl Fn(u32) -> Vec<usize> + Sync + use<>> {
        let pool = self.before.len();
        let last: Vec<u32> = (1..=pool).map(|i| (i * self.tokens - 1) as u32).collect();
        let latents = sae.encode(&self.x.rows_of(&last))?;
        Ok(move |feature: u32| {
            let silent = (0..pool).filter(|i| latents.get(*i, FeatureId(feature)) == 0.0);
            silent.take(CONTEXTS).collect()
        })
    }

    /// Measures the effects of adding `direction [d]` in the contexts `chosen`.
    fn steer(
        &self,
        model: &Model,
        direction: &[f32],
        chosen: &[usize],
        own: &[usize],
    ) -> Result<[Effect; STRENGTHS.len()]> {
        let mut effects = [Effect::default(); STRENGTHS.len()];
        if chosen.is_empty() {
            return Ok(effects);
        }
        let (t, d) = (self.tokens, direction.len());
        for (effect, strength) in effects.iter_mut().zip(STRENGTHS) {
            let mut values = Vec::with_capacity(chosen.len() * t * d);
            for context in chosen {
                let begin = context * t * d;
                values.extend_from_slice(&self.x.values()[begin..begin + t * d]);
                let last = values.len() - d;
                for (x, w) in values[last..].iter_mut().zip(direction) {
                    *x += strength * self.length * w;
                }
            }
            let moved = Tensor::from_vec(values, (chosen.len(), t, d), &crate::device::cpu())?;
            let after = last_logits(model, self.layer, &moved)?;
            *effect = self.effect(chosen, &after, own)?;
        }
        Ok(effects)
    }

    /// Returns the means over contexts.
    fn effect(&self, chosen: &[usize], after: &[Vec<f32>], own: &[usize]) -> Result<Effect> {
        let share = 1.0 / chosen.len() as f64;
        let mut effect = Effect::default();
        let vocabulary = after.first().map_or(0, Vec::len);
        let mut change = vec![0.0_f64; vocabulary];
        for (context, after) in chosen.iter().zip(after) {
            let (before, log_before) = &self.before[*context];
            let mut size = 0.0;
            for ((sum, after), before) in change.iter_mut().zip(after).zip(before) {
                let moved = f64::from(after - before);
                *sum += share * moved;
                size += moved.abs() / vocabulary as f64;
            }
            effect.selectivity -= share * size;
            let row = Tensor::from_slice(after, vocabulary, &crate::device::cpu())?;
            let log_after = log_probabilities(&row)?;
            effect.kl += share * divergence(log_before, &log_after);
            let best = (0..vocabulary).max_by(|a, b| after[*a].total_cmp(&after[*b]));
            effect.wins += share * f64::from(u8::from(best == own.first().copied()));
        }
        effect.logit = change.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let gained: f64 = own.iter().map(|token| change[*token]).sum();
        effect.selectivity += gained / own.len().max(1) as f64;
        Ok(effect)
    }
}

/// Computes the logits after the last position of `residual [b, t, d]` entering `layer`, row by row.
fn last_logits(model: &Model, layer: Layer, residual: &Tensor) -> Result<Vec<Vec<f32>>> {
    let logits = model.run(Start::Residual(layer, residual, None), &mut NoHooks)?;
    let logits = logits.ok_or_else(|| Error::Numeric {
        what: "the forward pass ended before its logits".to_owned(),
    })?;
    let t = logits.dim(1)?;
    Ok(logits.narrow(1, t - 1, 1)?.squeeze(1)?.to_vec2()?)
}
