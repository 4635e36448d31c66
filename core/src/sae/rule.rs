//! Training rule of a variant: which (token, feature) pairs survive, its terms of the loss, its own parameters, and its selection at inference.
//!
//! Rules work in the trainer's space: activations less `b_dec`, decoder rows of length 1. An entry with activation 0 is not an active feature; a rule may
//! leave such entries in its latents to learn from pairs that it nearly kept.
//!
//! A rule computes nothing of a batch itself. It says its step as plain data, a [`Plan`], which [`Work`] carries out on the CPU and `train/device` on a GPU, and
//! it is told what it learns from: the cut-off, counts by feature, gradients of its own parameters.

#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
mod plan;
mod work;

use std::fmt::Debug;

use super::gradient::GradientValues;
use super::jump_relu::SparsityPenalty;
use super::mutual_choice::Law;
use super::parts::Penalty;
use super::state::Keep;
use super::{Selection, Zipf};
use crate::error::Result;
use crate::kernels::adam::Rates;

pub(crate) use plan::{Bars, Choose, Finding, Plan, Terms};
pub(crate) use work::{Added, Levels, Step, Work, help};

/// Means that a variant works with; they decide which settings count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// Number of active features that is set, not learnt, with AuxK for dead features.
    Budget,
    /// `k`, the number of active features that is set or aimed at.
    K,
    /// Sparsity penalty.
    Penalty,
    /// Zipf law of densities.
    Law,
    /// Selection that can be screened in 16-bit integers.
    Screen,
}

/// Settings of a run that concern rules.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) features: usize,
    pub(crate) k: usize,
    pub(crate) penalty: Penalty,
    /// Root mean square of one coordinate of the activations.
    pub(crate) unit: f64,
    pub(crate) law: Law,
    pub(crate) phase: f64,
    pub(crate) multi_topk: bool,
    pub(crate) levels: usize,
    pub(crate) beta: f64,
    pub(crate) gradient_values: GradientValues,
    pub(crate) sparsity_penalty: SparsityPenalty,
    pub(crate) bandwidth: f64,
    pub(crate) initial_threshold: f64,
}

/// Entry of the list of variants.
#[derive(Debug)]
pub(super) struct Card {
    /// Name on the command line and in files.
    pub(super) name: &'static str,
    pub(super) uses: &'static [Uses],
    /// Returns the weight of the sparsity penalty if none is set.
    pub(super) suits: fn(SparsityPenalty) -> f64,
    /// Creates the rule of a run.
    pub(super) rule: fn(&Wanted) -> Box<dyn Rule>,
}

impl Card {
    /// Default weight of the sparsity penalty.
    pub(super) const SUITS: fn(SparsityPenalty) -> f64 = |_| 0.1;
}

/// Numbers of a step, by which a rule plans it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) features: usize,
    /// Width of what is reconstructed.
    pub(crate) width: usize,
    /// Share of the steps already taken.
    pub(crate) done: f64,
    /// Initial number of active features, and the share of the steps over which it falls to the one that is set.
    pub(crate) k_warmup: (usize, f64),
    /// Mean of ‖x − mean‖² over the initial sample.
    pub(crate) variance: f64,
    /// Figures of the whole batch, of which a micro-batch has only a part.
    pub(crate) whole: Whole,
}

/// Figures of a batch that its micro-batches need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Whole {
    pub(crate) tokens: usize,
    /// Mean active features per token, if the rule charges it and the batch is processed in parts.
    pub(crate) l0: Option<f64>,
}

impl Numbers {
    /// Returns the active features per token in this step, where `k` is the final number.
    pub(crate) fn k(&self, k: usize) -> usize {
        let (start, share) = self.k_warmup;
        if self.done >= share {
            return k;
        }
        let above = start.min(self.features).saturating_sub(k) as f64;
        k + (above * (1.0 - self.done / share)).round() as usize
    }

    /// Number of tokens of the batch.
    pub(crate) fn tokens(&self) -> usize {
        self.whole.tokens
    }

    /// Divisor of squared errors: tokens · variance.
    pub(crate) fn denominator(&self) -> f64 {
        self.tokens() as f64 * self.variance
    }

    /// Divisor of penalised activations: tokens · √variance, so that a coefficient means the same at every scale.
    pub(crate) fn act_unit(&self) -> f64 {
        self.tokens() as f64 * self.variance.sqrt()
    }

    /// Root mean square of one coordinate of what is reconstructed.
    pub(crate) fn unit(&self) -> f64 {
        (self.variance / self.width as f64).sqrt()
    }

    /// Factor from a residual to a gradient.
    pub(crate) fn scale(&self) -> f32 {
        (-2.0 / self.denominator()) as f32
    }
}

/// State of a step's end that a rule learns from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct After<'a> {
    /// Tokens of the batch on which each feature fired, `[f]`.
    pub(crate) counts: &'a [u32],
    pub(crate) tokens: usize,
    /// Gradients of the rule's own parameters, as [`Added::own`] has them.
    pub(crate) own: &'a [Vec<f32>],
    pub(crate) rates: Rates,
}

/// Training rule of a variant.
pub(crate) trait Rule: Debug + Send + Sync {
    /// Says how a step selects and what it charges.
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan>;

    /// Returns the weight β of [`Choose::Scored`], where the mean of |g| over a sample of the batch is `size`.
    fn beta(&mut self, _size: f64) -> f32 {
        0.0
    }

    /// Learns from the selection of a step.
    fn learn(&mut self, _: Finding) {}

    /// Whether its terms of the loss depend on the batch's mean L0.
    fn charges_l0(&self) -> bool {
        false
    }

    /// Selects the features that AuxK trains on the residual, from those that are `dead`, ascending.
    fn helped(&self, dead: Vec<u32>) -> Vec<u32> {
        dead
    }

    /// Updates its own parameters and averages after a step.
    fn after_step(&mut self, _: &After<'_>) {}

    /// Takes a note for the user, once.
    fn note(&mut self) -> Option<String> {
        None
    }

    /// Returns the Zipf law that features are compared with, and the share of variance that its fit explains (1 if it was set).
    fn law(&self) -> Option<(Zipf, f64)> {
        None
    }

    /// Resets its own parameters of these features.
    fn restart(&mut self, _: &[u32]) {}

    /// Adopts the parameters of the selection of the dictionary from which training continues, if it learns such parameters.
    fn take_over(&mut self, _: &Selection) {}

    /// Returns the selection at inference of the dictionary in its present state.
    fn inference(&self) -> Selection;

    /// Whether the selection at inference differs from that in training.
    fn differs(&self) -> bool {
        false
    }

    /// Saves or restores its state; see [`Keep`].
    fn state(&mut self, _: &mut dyn Keep) -> Result<()> {
        Ok(())
    }
}
