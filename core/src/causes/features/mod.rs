//! Features as causes: every active feature by exact ablation, by a·grad and by integrated gradients, with the dictionary's error beside them.
//!
//! A feature with activation a adds `a · back · w_dec` to the hook's value, where `back` is 1 unless the dictionary normalises tokens. Position 0 is left alone.
//!
//! | figure | definition |
//! |---|---|
//! | ablation | target with that activation set to 0 at that position, error kept, less the untouched target |
//! | gradient | −a · back · w_dec · grad, with grad the gradient of the target at the hook: the first-order guess of the ablation |
//! | integrated | the same with grad averaged over M points between the ablated and the untouched value (midpoints): tends to the ablation as M grows |
//!
//! Gradients of all features, of all errors and of the constant part (`b_dec`, and the mean that a normalising dictionary puts back) sum to −Σ x·grad, with x the
//! part of the hook that the dictionary reads. On one path from all features to none, integrated gradients were no better than a·grad (measured on the demo):
//! dense features flip the sign of their own gradient on the way, so each is followed on its own path.

mod ablate;
pub(super) mod parts;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::ablate::Runs;
use self::parts::Parts;
use super::Target;
use crate::dims::Matrix;
use crate::error::Result;
use crate::heads::features::pearson;
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::models::{Model, Scalar, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "ablation",
        "the target with that activation set to 0 at that position (the dictionary's error is kept), less the untouched target; of an error: with the hook's value there less its error",
    ),
    (
        "gradient",
        "−a · (∂target/∂hook · what one unit of activation adds to the hook), a·grad for short: the change of the target if it were linear in the activation; of an error −e · ∂target/∂hook",
    ),
    (
        "integrated",
        "a·grad with the gradient averaged over M midpoints between the ablated and the untouched value, each feature on its own path: tends to the ablation as M grows",
    ),
    (
        "b_dec",
        "gradient part of the decoder bias (and of the mean that a normalising dictionary puts back), summed over positions",
    ),
    (
        "gradient_sum",
        "−Σ x·grad over positions from 1 on, x the part of the hook that the dictionary reads: the gradients of features, errors and b_dec sum to it",
    ),
    (
        "low",
        "correlation (Pearson) of a·grad with the ablation over features whose activation is at most the sentence's median",
    ),
    (
        "all",
        "correlation (Pearson) of a·grad with the ablation over all active features; a feature that is often on can flip the sign of its own gradient on the way to 0",
    ),
];

/// An active feature at a position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FeatureCause {
    /// Feature.
    pub feature: FeatureId,
    /// Position, from 1.
    pub position: usize,
    /// Activation.
    pub activation: f32,
    /// Change of the target by exact ablation.
    pub ablation: f64,
    /// Change of the target by a·grad.
    pub gradient: f64,
    /// Change of the target by integrated gradients, where asked for.
    pub integrated: Option<f64>,
}

/// Error of the dictionary at a position.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ErrorCause {
    /// Position, from 1.
    pub position: usize,
    /// Change of the target with the error left out.
    pub ablation: f64,
    /// Guess of the ablation by −e·grad.
    pub gradient: f64,
    /// Guess of the ablation by integrated gradients, where asked for.
    pub integrated: Option<f64>,
}

/// Correlations with exact ablation, none where a figure is constant or there are fewer than three features.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Agreement {
    /// Median of the activations' sizes.
    pub median: f64,
    /// Of a·grad over features up to the median.
    pub low: Option<f64>,
    /// Of a·grad over all features.
    pub all: Option<f64>,
    /// Of integrated gradients over all features, where asked for.
    pub integrated: Option<f64>,
}

/// Features and errors of a text as causes of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Its hook.
    pub hook: HookPoint,
    /// Every active feature at every position from 1 on, the largest change by ablation first.
    pub features: Vec<FeatureCause>,
    /// The error at every position from 1 on.
    pub errors: Vec<ErrorCause>,
    /// Gradient part of the constant part of the reconstruction, summed over positions.
    pub b_dec: f64,
    /// −Σ x·grad over positions from 1 on.
    pub gradient_sum: f64,
    /// Agreement of the figures.
    pub agreement: Agreement,
}

/// Measures the features that `sae` has active on `tokens` as causes of `target`, each ablated at the hook that the dictionary writes; `integrated` is the number of points of integrated gradients, none leaves them out.
/// `observe` gets the changed runs done and may stop.
pub fn features(
    model: &Model,
    sae: ByToken<'_>,
    (tokens, target): (&[TokenId], Target),
    integrated: Option<usize>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Features>> {
    crate::formats::check_hooks(&sae, model)?;
    target.check(tokens.len())?;
    let (reads, hook) = (sae.reads()?, sae.writes()?);
    let clean = model.clean_run(tokens, &[hook, reads])?;
    let value = |hook| Matrix::from_tensor(clean.value(hook)?, model.width(hook)?);
    let parts = Parts::new(sae, &value(hook)?, &value(reads)?)?;
    let gradient = gradient(model, (tokens, target), hook)?;
    let runs = Runs {
        clean: &clean,
        parts: &parts,
        hook,
        target,
        integrated: integrated.filter(|steps| *steps > 0),
    };
    let Ended::Done(changes) = runs.all(observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut features = Vec::new();
    let mut errors = Vec::new();
    for (position, changes) in changes.into_iter().enumerate().map(|(i, c)| (i + 1, c)) {
        let along = |part: &[f32]| parts.along(gradient.row(position), part);
        let codes = parts.code.row(position);
        for ((feature, activation), change) in codes.zip(&changes) {
            features.push(FeatureCause {
                feature,
                position,
                activation,
                ablation: change.ablation,
                gradient: -along(&parts.added(position, feature, activation)?),
                integrated: change.integrated,
            });
        }
        if let Some(change) = changes.last() {
            errors.push(ErrorCause {
                position,
                ablation: change.ablation,
                gradient: -along(parts.error.row(position)),
                integrated: change.integrated,
            });
        }
    }
    let over = 1..tokens.len();
    let sum = |of: &dyn Fn(usize) -> Result<f64>| over.clone().map(of).sum::<Result<f64>>();
    let b_dec = sum(&|at| Ok(-parts.along(gradient.row(at), &parts.constant(at)?)))?;
    let gradient_sum = sum(&|at| Ok(-parts.along(gradient.row(at), parts.own.row(at))))?;
    let agreement = agreement(&features);
    features.sort_by(|a, b| {
        let size = b.ablation.abs().total_cmp(&a.ablation.abs());
        size.then(a.position.cmp(&b.position))
            .then(a.feature.cmp(&b.feature))
    });
    Ok(Ended::Done(Features {
        dictionary: sae.name.clone(),
        hook,
        features,
        errors,
        b_dec,
        gradient_sum,
        agreement,
    }))
}

/// Computes the gradient of the target at the hook, `[t, d]` with heads side by side.
fn gradient(
    model: &Model,
    (tokens, target): (&[TokenId], Target),
    hook: HookPoint,
) -> Result<Matrix> {
    let of = |logits: &candle_core::Tensor, _: &candle_core::Tensor| {
        target.differentiable(logits, tokens, 0)
    };
    let gradients = model.gradients(&token_tensor(&[tokens])?, &Scalar::Of(&of), &[hook])?;
    Matrix::from_tensor(&gradients.at[&hook], model.width(hook)?)
}

fn agreement(features: &[FeatureCause]) -> Agreement {
    let sizes = features.iter().map(|one| f64::from(one.activation).abs());
    let median = median(sizes.collect());
    let pairs = |of: &dyn Fn(&FeatureCause) -> Option<[f64; 2]>| -> Option<f64> {
        pearson(&features.iter().filter_map(of).collect::<Vec<_>>())
    };
    Agreement {
        median,
        low: pairs(&|one| {
            let is_low = f64::from(one.activation).abs() <= median;
            is_low.then_some([one.gradient, one.ablation])
        }),
        all: pairs(&|one| Some([one.gradient, one.ablation])),
        integrated: pairs(&|one| Some([one.integrated?, one.ablation])),
    }
}

/// Returns the middle value, the mean of the two middle ones of an even number; 0 of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

impl Features {
    /// Sums the gradients of features, errors and the constant part: [`Self::gradient_sum`] up to rounding.
    pub fn summed(&self) -> f64 {
        let features: f64 = self.features.iter().map(|one| one.gradient).sum();
        let errors: f64 = self.errors.iter().map(|one| one.gradient).sum();
        features + errors + self.b_dec
    }

    /// Says in one sentence which feature moves the target most, and whether a·grad would have found it. `display` writes a position's token.
    pub fn conclusion(&self, target: &str, display: &dyn Fn(usize) -> String) -> String {
        let all: f64 = self.features.iter().map(|one| one.ablation.abs()).sum();
        let names: BTreeSet<FeatureId> = self.features.iter().map(|one| one.feature).collect();
        let Some(first) = self.features.first().filter(|_| all > 0.0) else {
            return format!(
                "No feature of {} that is active here moves {target}: nothing set at {} reaches it",
                self.dictionary, self.hook
            );
        };
        let by_size =
            |a: &&FeatureCause, b: &&FeatureCause| a.gradient.abs().total_cmp(&b.gradient.abs());
        let guess = self.features.iter().max_by(by_size);
        let same =
            guess.is_some_and(|one| (one.feature, one.position) == (first.feature, first.position));
        let verb = if first.ablation < 0.0 {
            "lowers"
        } else {
            "raises"
        };
        format!(
            "Setting feature {} at “{}” (position {}) to 0 {verb} {target} by {:.3}, the most of {} activations of {} features and {:.0} % of the sum of all changes; {}",
            first.feature,
            display(first.position),
            first.position,
            first.ablation.abs(),
            self.features.len(),
            names.len(),
            100.0 * first.ablation.abs() / all,
            match (same, guess) {
                (true, _) | (_, None) => "a·grad ranks it first too".to_owned(),
                (false, Some(guess)) => format!(
                    "a·grad would have named feature {} at position {}",
                    guess.feature, guess.position
                ),
            }
        )
    }
}
