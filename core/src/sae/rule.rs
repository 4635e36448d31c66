//! What a variant does in training: which pairs survive, what it adds to the loss, what it learns beside encoder and decoder, and how it selects afterwards.
//!
//! Everything here is in the trainer's space: activations less `b_dec`, decoder rows of length 1. An entry with activation 0 is no active feature; a rule
//! may leave some in its latents to learn from what it nearly kept.

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

/// What a variant's rule works with, which decides the settings that count for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uses {
    /// A number of active features that is set and not learnt, with AuxK for dead features.
    Budget,
    /// `k`: the number of active features that is set or aimed at.
    K,
    /// A sparsity penalty.
    Penalty,
    /// A Zipf law of densities.
    Law,
    /// A selection that can be screened in 16-bit integers.
    Screen,
}

/// Everything that the settings of a run say to rules.
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

/// One variant, as the list of variants has it.
#[derive(Debug)]
pub(super) struct Card {
    /// Name on the command line and in files.
    pub(super) name: &'static str,
    pub(super) uses: &'static [Uses],
    /// Weight of the sparsity penalty where none is set.
    pub(super) suits: fn(SparsityPenalty) -> f64,
    /// Begins the rule of a run.
    pub(super) rule: fn(&Wanted) -> Box<dyn Rule>,
}

impl Card {
    /// Weight of the sparsity penalty where a variant has no reason for another.
    pub(super) const SUITS: fn(SparsityPenalty) -> f64 = |_| 0.1;
}

/// What a rule sees of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step<'a> {
    /// `[n, d]`, activations less `b_dec`; a transcoder's less their mean.
    pub(crate) centred: &'a Matrix,
    /// `[n, d]`, what features are to sum up to: the same, but for a transcoder.
    pub(crate) target: &'a Matrix,
    /// `[n]`, lengths of the rows of `centred`.
    pub(crate) lengths: &'a [f32],
    /// `[n, d]`, of the model's loss with respect to the activations, where the source gives them.
    pub(crate) gradients: Option<&'a Matrix>,
    /// `[f, d]`.
    pub(crate) w_enc: &'a Matrix,
    /// `[f]`.
    pub(crate) b_enc: &'a [f32],
    /// `[f, d]`, rows of length 1.
    pub(crate) w_dec: &'a Matrix,
    /// How the entries that may be kept are found.
    pub(crate) product: Product,
    /// Share of the run's steps already taken.
    pub(crate) done: f64,
    /// Where the number of active features begins, and the share of the steps over which it falls to what is set.
    pub(crate) k_warmup: (usize, f64),
    /// Mean of ‖x − mean‖² over the start's sample.
    pub(crate) variance: f64,
    /// Of the whole batch, where the rows above are a micro-batch of it.
    pub(crate) whole: Whole,
}

/// What a micro-batch has to know of the batch it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Whole {
    pub(crate) tokens: usize,
    /// Mean active features per token, where the rule charges it and the batch is taken in parts.
    pub(crate) l0: Option<f64>,
}

impl Step<'_> {
    /// Active features per token in this step, of `k` in the end.
    pub(crate) fn k(&self, k: usize) -> usize {
        let (start, share) = self.k_warmup;
        if self.done >= share {
            return k;
        }
        let above = start.min(self.w_enc.rows()).saturating_sub(k) as f64;
        k + (above * (1.0 - self.done / share)).round() as usize
    }

    /// Tokens of the batch.
    pub(crate) fn tokens(&self) -> usize {
        self.whole.tokens
    }

    /// What squared errors are divided by: tokens · variance.
    pub(crate) fn denominator(&self) -> f64 {
        self.tokens() as f64 * self.variance
    }

    /// What activations are divided by where they are charged, so that a coefficient means the same at every scale: tokens · √variance.
    pub(crate) fn act_unit(&self) -> f64 {
        self.tokens() as f64 * self.variance.sqrt()
    }

    /// What turns a residual into a gradient.
    pub(crate) fn scale(&self) -> f32 {
        (-2.0 / self.denominator()) as f32
    }
}

/// What a rule adds to a step.
#[derive(Debug, Default)]
pub(crate) struct Added {
    /// Its terms of the loss.
    pub(crate) loss: f64,
    /// `[nnz]`: gradient of the encoder's bias by entry, where it is not that of the pre-activation.
    pub(crate) d_bias: Option<Vec<f32>>,
}

/// Several reconstructions, each of the first features: what decoder rows and bias are moved by.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    /// For the features up to `end`: the sum of all residuals that they take part in, `[n, d]`.
    pub(crate) tables: Vec<(usize, Matrix)>,
    /// Of the first table, `[d]`.
    pub(crate) column_sums: Vec<f64>,
}

/// A second code of the same tokens whose reconstruction counts too.
#[derive(Debug, Default)]
pub(crate) struct Second {
    pub(crate) latents: Latents,
    /// What it leaves, the gradients times `weight`.
    pub(crate) left: Residual,
    /// Of its squared error in the loss.
    pub(crate) weight: f32,
}

/// See the module.
pub(crate) trait Rule: Debug + Send + Sync {
    /// Which pairs survive, and their activations.
    fn select(&mut self, step: &Step<'_>) -> Result<Latents>;

    /// What the code leaves, the gradient of the squared error for each of its entries, and the error's part of the loss.
    fn decode(&mut self, step: &Step<'_>, latents: &Latents, into: &mut Residual) -> Result<f64> {
        residual(into, step.target, latents, step.w_dec, step.scale())?;
        Ok(into.squared / step.denominator())
    }

    /// Adds its own terms; turns `d_acts [nnz]`, the gradients of activations, into those of pre-activations.
    fn losses(&mut self, _: &Step<'_>, _: &Latents, _: &mut [f32]) -> Added {
        Added::default()
    }

    /// Whether its terms of the loss depend on the batch's mean L0.
    fn charges_l0(&self) -> bool {
        false
    }

    /// Several reconstructions instead of one.
    fn levels(&self) -> Option<&Levels> {
        None
    }

    /// A second code that counts beside the first.
    fn second(&self) -> Option<&Second> {
        None
    }

    /// The features that explain what is left, out of the `dead`, ascending.
    fn helped(&self, dead: Vec<u32>) -> Vec<u32> {
        dead
    }

    /// The code of the features that explain what is left: at most `k` of each token.
    fn help(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
        encode_topk(centred, w_enc, b_enc, k)
    }

    /// Gradients of what it learns beside the dictionary, as the next [`Rule::after_step`] uses them.
    fn own_gradients(&mut self) -> Vec<&mut Vec<f32>> {
        Vec::new()
    }

    /// Moves what it learns beside the dictionary, after a step that left `latents` of `tokens`.
    fn after_step(&mut self, _: &Latents, _: Rates) {}

    /// What a person should know, said once.
    fn note(&mut self) -> Option<String> {
        None
    }

    /// The Zipf law that features are measured by, and the share of variance its fit explains (1 for a law that was given).
    fn law(&self) -> Option<(Zipf, f64)> {
        None
    }

    /// Forgets what it learnt of these features, which start anew.
    fn restart(&mut self, _: &[u32]) {}

    /// Takes over what a dictionary that training goes on from selects by, where that is something it learns itself.
    fn take_over(&mut self, _: &Selection) {}

    /// How the dictionary as it stands selects when it is used.
    fn inference(&self) -> Selection;

    /// Whether that differs from how it selects in training.
    fn differs(&self) -> bool {
        false
    }

    /// Its state; see [`Keep`].
    fn state(&mut self, _: &mut dyn Keep) -> Result<()> {
        Ok(())
    }
}
