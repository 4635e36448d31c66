//! TopK.
//!
//! | | |
//! |---|---|
//! | paper | Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093); Makhzani and Frey 2013 |
//! | rule in training | the `k` largest pre-activations of each token, then ReLU |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error, AuxK/32 |
//! | other names | SAELens `topk`; sparsify; dictionary_learning `AutoEncoderTopK`; "token choice" in the Mutual Choice paper |
//!
//! Equal pre-activations: the lower feature wins. A token with fewer than `k` positive pre-activations has fewer active features.

use super::rule::{Rule, Step};
use super::state::Keep;
use super::{Latents, Selection};
use crate::error::Result;
use crate::kernels::encode::encode_topk_guessing;

/// How far below the last batch's least kept pre-activation the next one's is looked for.
const CAUTION: f32 = 0.98;

/// See the module.
#[derive(Debug)]
pub(crate) struct TopK {
    k: usize,
    /// A little below the least of the last batch's `k`-th largest pre-activations over lengths; 0 where a row had fewer.
    least_kept: f32,
}

impl TopK {
    pub(crate) fn new(k: usize) -> Self {
        Self { k, least_kept: 0.0 }
    }
}

impl Rule for TopK {
    fn select(&mut self, step: &Step<'_>) -> Result<Latents> {
        let guesses: Vec<f32> = step.lengths.iter().map(|l| self.least_kept * l).collect();
        let latents = encode_topk_guessing(
            step.centred,
            step.w_enc,
            step.b_enc,
            (self.k, &guesses),
            step.product,
        )?;
        self.least_kept = CAUTION * least_kept(&latents, self.k, step.lengths);
        Ok(latents)
    }

    fn inference(&self) -> Selection {
        Selection::TopK { k: self.k }
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        let mut least = vec![self.least_kept];
        keep.floats("least_kept", &mut least)?;
        self.least_kept = least.first().copied().unwrap_or_default();
        Ok(())
    }
}

/// The least of all kept activations over their rows' lengths; 0 if a row has fewer than `k`.
fn least_kept(latents: &Latents, k: usize, lengths: &[f32]) -> f32 {
    let ratio = |(row, length): (usize, &f32)| {
        let entries = latents.range(row);
        if entries.len() < k || *length <= 0.0 {
            return 0.0;
        }
        latents.acts[entries]
            .iter()
            .copied()
            .fold(f32::INFINITY, f32::min)
            / length
    };
    let least = lengths
        .iter()
        .enumerate()
        .map(ratio)
        .fold(f32::INFINITY, f32::min);
    if least.is_finite() { least } else { 0.0 }
}
