//! Training rule of a variant: which (token, feature) pairs survive, its terms of the loss, its own parameters, and its selection at inference.
//!
//! Rules work in the trainer's space: activations less `b_dec`, decoder rows of length 1. An entry with activation 0 is not an active feature; a rule may
//! leave such entries in its latents to learn from pairs that it nearly kept.

use std::fmt::Debug;

use super::gradient::GradientValues;
use super::jump_relu::SparsityPenalty;
use super::mutual_choice::Law;
use super::parts::Penalty;
use super::state::Keep;
use super::{Selection, Zipf};
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::adam::Rates;
use crate::kernels::encode::{Product, encode_topk};
use crate::kernels::residual::{Residual, residual};
use crate::latents::Latents;

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

/// Inputs of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    /// Activations less `b_dec`, `[n, d]`; for a transcoder less their mean.
    pub(crate) centred: &'a Matrix,
    /// Target of the reconstruction, `[n, d]`; equals `centred` except for a transcoder.
    pub(crate) target: &'a Matrix,
    /// Lengths of the rows of `centred`, `[n]`.
    pub(crate) lengths: &'a [f32],
    /// Gradients of the model's loss with respect to the activations, `[n, d]`, if the source provides them.
    pub(crate) gradients: Option<&'a Matrix>,
    /// `[f, d]`.
    pub(crate) w_enc: &'a Matrix,
    /// `[f]`.
    pub(crate) b_enc: &'a [f32],
    /// `[f, d]`, with rows of length 1.
    pub(crate) w_dec: &'a Matrix,
    /// Product that finds the candidates of the selection.
    pub(crate) product: Product,
    /// Share of the steps already taken.
    pub(crate) done: f64,
    /// Initial number of active features, and the share of the steps over which it falls to the one that is set.
    pub(crate) k_warmup: (usize, f64),
    /// Mean of ‖x − mean‖² over the initial sample.
    pub(crate) variance: f64,
    /// Figures of the whole batch, of which the rows above may be a micro-batch.
    pub(crate) whole: Whole,
}

/// Figures of a batch that its micro-batches need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Whole {
    pub(crate) tokens: usize,
    /// Mean active features per token, if the rule charges it and the batch is processed in parts.
    pub(crate) l0: Option<f64>,
}

impl Step<'_> {
    /// Returns the active features per token in this step, where `k` is the final number.
    pub(crate) fn k(&self, k: usize) -> usize {
        let (start, share) = self.k_warmup;
        if self.done >= share {
            return k;
        }
        let above = start.min(self.w_enc.rows()).saturating_sub(k) as f64;
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

    /// Factor from a residual to a gradient.
    pub(crate) fn scale(&self) -> f32 {
        (-2.0 / self.denominator()) as f32
    }
}

/// Additions of a rule to a step.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Terms of the loss.
    pub(crate) loss: f64,
    /// Gradient of the encoder's bias by entry, `[nnz]`, if it differs from that of the pre-activation.
    pub(crate) d_bias: Option<Vec<f32>>,
}

/// Several reconstructions, each by the first features, from which decoder rows and bias learn.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// For the features up to `end`, the sum of all residuals that they contribute to, `[n, d]`.
    pub(crate) tables: Vec<(usize, Matrix)>,
    /// Column sums of the first table, `[d]`.
    pub(crate) column_sums: Vec<f64>,
}

/// Second code of the same tokens whose reconstruction also counts.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) latents: Latents,
    /// Its residual, with gradients times `weight`.
    pub(crate) left: Residual,
    /// Weight of its squared error in the loss.
    pub(crate) weight: f32,
}

/// Training rule of a variant.
pub(crate) trait Rule: Debug + Send + Sync {
    /// Selects the (token, feature) pairs that survive, with their activations.
    fn select(&mut self, step: &Step<'_>) -> Result<Latents>;

    /// Computes the residual of a code, the gradient of the squared error for each entry, and the error's part of the loss.
    fn decode(&mut self, step: &Step<'_>, latents: &Latents, into: &mut Residual) -> Result<f64> {
        residual(into, step.target, latents, step.w_dec, step.scale())?;
        Ok(into.squared / step.denominator())
    }

    /// Adds its own terms to the loss and turns `d_acts [nnz]`, the gradients of activations, into gradients of pre-activations.
    fn losses(&mut self, _: &Step<'_>, _: &Latents, _: &mut [f32]) -> Added {
        Added::default()
    }

    /// Whether its terms of the loss depend on the batch's mean L0.
    fn charges_l0(&self) -> bool {
        false
    }

    /// Returns several reconstructions that replace the single one.
    fn levels(&self) -> Option<&Levels> {
        None
    }

    /// Returns a second code that counts in addition to the first.
    fn second(&self) -> Option<&Second> {
        None
    }

    /// Selects the features that AuxK trains on the residual, from those that are `dead`, ascending.
    fn helped(&self, dead: Vec<u32>) -> Vec<u32> {
        dead
    }

    /// Encodes with the features that AuxK trains: at most `k` per token.
    fn help(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
        encode_topk(centred, w_enc, b_enc, k)
    }

    /// Returns the gradients of its own parameters, as the next [`Rule::after_step`] uses them.
    fn own_gradients(&mut self) -> Vec<&mut Vec<f32>> {
        Vec::new()
    }

    /// Updates its own parameters and averages after a step with this code.
    fn after_step(&mut self, _: &Latents, _: Rates) {}

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
