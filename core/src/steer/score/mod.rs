//! Steering score of every feature of a dictionary, after the protocol of Olmo et al. 2024 as far as it is known.
//!
//! `c · d / |d|`, c a multiple of the mean length of the residual stream at the hook's layer, is added at the last position of random contexts. Each context is read
//! once; its keys and values are kept, and the last position of many features at once is run from the hook's layer on. A feature is measured in the contexts at
//! whose last position it is silent. Figures, definitions and file: [`crate::features::scores`].

mod contexts;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::contexts::Contexts;
use super::shift::{divergence, log_of};
use super::sweep::{Adding, Row};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::features;
use crate::features::scores::{Asked, Effect, STRENGTHS, Score, Scores};
use crate::ids::{FeatureId, TokenId};
use crate::models::{Model, Unembed};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Contexts that are drawn unless a person asks for another number.
pub const CONTEXTS: usize = 64;
/// Tokens of a context at most, unless a person asks for another number.
pub const TOKENS: usize = 64;

/// Logits of one batch at most.
const LOGITS: usize = 1 << 22;
/// Features of one batch at most.
const FEATURES: usize = 256;

/// Measures `features`, the live ones, on contexts drawn from `rows`. Scores of `before`, which was measured with the same settings, are kept; without it all are
/// measured. `observe` gets the features done. Stopped, it gives the scores so far.
pub fn score(
    subject: (&Model, ByToken<'_>),
    (rows, asked): (&Rows, &Asked),
    features: &[FeatureId],
    before: Option<Scores>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Scores, Scores>> {
    let contexts = Contexts::draw(subject, rows, asked)?;
    let norm = contexts.norm;
    let mut done: Vec<Score> = before
        .filter(|before| before.asked == *asked && before.norm == norm)
        .map_or(Vec::new(), |before| before.scores);
    done.sort_by_key(|score| score.feature);
    let is_done = |feature: &FeatureId| {
        let at = done.binary_search_by_key(feature, |score| score.feature);
        at.is_ok()
    };
    let missing = features.iter().copied().filter(|feature| !is_done(feature));
    let missing: Vec<FeatureId> = missing.collect();
    let vocab = subject.0.config().vocab;
    let at_once = (LOGITS / (vocab * STRENGTHS.len()).max(1)).clamp(1, FEATURES);
    let mut stopped = false;
    for some in missing.chunks(at_once) {
        let at = done.len();
        let mut step = |share: f64| {
            let part = (share * some.len() as f64) as usize;
            observe(Progress::new(at + part, features.len(), "features"))
        };
        match contexts.measure(subject, some, &mut step)? {
            Ended::Done(scores) => done.extend(scores),
            Ended::Stopped(()) => {
                stopped = true;
                break;
            }
        }
    }
    done.sort_by_key(|score| score.feature);
    let scores = Scores {
        asked: asked.clone(),
        norm,
        live: features.len(),
        scores: done,
    };
    Ok(Ended::new(scores, stopped))
}

/// Running sums of one feature at one strength.
#[derive(Debug, Clone)]
struct Sums {
    /// Changes of the logits of named tokens.
    change: Vec<f64>,
    size: f64,
    kl: f64,
    wins: u32,
}

impl Contexts<'_> {
    /// Returns hooks that add the row of each feature at each strength, by its length over all the hooks that it writes.
    fn adding(
        &self,
        (model, sae): (&Model, ByToken<'_>),
        features: &[FeatureId],
    ) -> Result<Adding> {
        let rows = features
            .iter()
            .map(|feature| Row::new(model, sae, *feature));
        let rows: Vec<Row> = rows.collect::<Result<_>>()?;
        let mut added = Vec::new();
        for row in &rows {
            let length = row.length();
            for strength in STRENGTHS {
                // A row of zeros has no direction and moves nothing.
                let factor = if length > 0.0 {
                    strength * self.norm / length
                } else {
                    0.0
                };
                added.push((row, factor));
            }
        }
        Adding::new(&added)
    }

    /// Measures some features together; `step` gets the share of the contexts that is done.
    fn measure(
        &self,
        (model, sae): (&Model, ByToken<'_>),
        features: &[FeatureId],
        step: &mut dyn FnMut(f64) -> Flow,
    ) -> Result<Ended<Vec<Score>>> {
        let own = match features::promoted((model, sae), features) {
            Ok(own) => own,
            // A hook whose directions have no direct effect on the logits.
            Err(Error::Hook { .. }) => vec![Vec::new(); features.len()],
            Err(refused) => return Err(refused),
        };
        let named = model.codec().vocab_size().min(model.config().vocab);
        let nothing = Sums {
            change: vec![0.0; named],
            size: 0.0,
            kl: 0.0,
            wins: 0,
        };
        let mut sums = vec![nothing; features.len() * STRENGTHS.len()];
        let mut used = vec![0_u32; features.len()];
        let centred = model.unembed() == Unembed::Centred;
        let rows = sums.len();
        let mut adding = self.adding((model, sae), features)?;
        for at in 0..self.len() {
            if step(at as f64 / self.len() as f64).is_break() {
                return Ok(Ended::STOPPED);
            }
            let trunk = self.trunk(model, at)?;
            let before: Vec<f32> = trunk.logits().to_vec1()?;
            let log_before = log_of(&before);
            let branches = trunk.rows(rows, &mut adding)?;
            let after: Vec<f32> = branches.logits().flatten_all()?.to_vec1()?;
            let silent: Vec<bool> = features.iter().map(|f| self.is_silent(at, *f)).collect();
            for (used, silent) in used.iter_mut().zip(&silent) {
                *used += u32::from(*silent);
            }
            let each = sums
                .par_iter_mut()
                .zip(after.par_chunks_exact(before.len()));
            each.enumerate().for_each(|(i, (sums, after))| {
                let feature = i / STRENGTHS.len();
                if silent[feature] {
                    let first = own[feature].first().copied();
                    sums.add((&before, &log_before), after, (centred, first));
                }
            });
        }
        let all = features
            .iter()
            .zip(sums.chunks(STRENGTHS.len()))
            .zip(used.iter().zip(&own));
        let scores: Vec<Score> = all
            .map(|((feature, sums), (used, own))| {
                let mut effects = [Effect::default(); STRENGTHS.len()];
                for (effect, sums) in effects.iter_mut().zip(sums) {
                    *effect = sums.effect(*used, own);
                }
                Score {
                    feature: *feature,
                    contexts: *used,
                    effects,
                }
            })
            .collect();
        let finite = |effect: &Effect| effect.effect.is_finite() && effect.kl.is_finite();
        if let Some(score) = scores
            .iter()
            .find(|score| !score.effects.iter().all(finite))
        {
            let what = format!(
                "the steering score of feature {} is no number: the model's weights or the dictionary's are damaged",
                score.feature
            );
            return Err(Error::Numeric { what });
        }
        Ok(Ended::Done(scores))
    }
}

impl Sums {
    /// Adds one context: logits without and with the feature.
    fn add(
        &mut self,
        (before, log_before): (&[f32], &[f64]),
        after: &[f32],
        (centred, first): (bool, Option<TokenId>),
    ) {
        let named = self.change.len();
        let moved = || {
            let pairs = after[..named].iter().zip(before);
            pairs.map(|(after, before)| f64::from(*after) - f64::from(*before))
        };
        let mean = if centred {
            moved().sum::<f64>() / named as f64
        } else {
            0.0
        };
        let mut size = 0.0;
        for (sum, moved) in self.change.iter_mut().zip(moved()) {
            *sum += moved - mean;
            size += (moved - mean).abs();
        }
        self.size += size / named as f64;
        self.kl += divergence(log_before, &log_of(after)).max(0.0);
        if let Some(first) = first {
            let wins = after[..named]
                .iter()
                .all(|logit| *logit <= after[first.index()]);
            self.wins += u32::from(wins);
        }
    }

    /// Returns the means over `contexts`.
    fn effect(&self, contexts: u32, own: &[TokenId]) -> Effect {
        if contexts == 0 {
            return Effect::default();
        }
        let n = f64::from(contexts);
        let largest = self
            .change
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let gained: f64 = own.iter().map(|token| self.change[token.index()]).sum();
        let has_own = !own.is_empty();
        Effect {
            effect: largest / n,
            kl: self.kl / n,
            selectivity: has_own.then(|| (gained / own.len() as f64 - self.size) / n),
            wins: has_own.then(|| f64::from(self.wins) / n),
        }
    }
}
