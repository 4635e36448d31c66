//! TopK: the k largest pre-activations of each token.
//!
//! | | |
//! |---|---|
//! | paper | Gao et al. 2024, "Scaling and evaluating sparse autoencoders" (arXiv 2406.04093); Makhzani and Frey 2013 |
//! | rule in training | the `k` largest pre-activations of each token, then ReLU |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error L(k), AuxK/32; with Multi-TopK also L(4k)/8 (Gao et al., "progressive codes") |
//! | other names | SAELens `topk`; sparsify; dictionary_learning `AutoEncoderTopK`; "token choice" in the Mutual Choice paper |
//!
//! Among equal pre-activations the lower feature wins. A token with fewer than `k` positive pre-activations has fewer active features.

use super::rule::{Card, Rule, Second, Step, Uses};
use super::selection::{Selection, Selects};
use super::state::Keep;
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{encode_topk, encode_topk_guessing};
use crate::kernels::residual::{Residual, residual};
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "topk",
    uses: &[Uses::Budget, Uses::K, Uses::Screen],
    rule: |wanted| {
        if wanted.multi_topk {
            Box::new(TopKRule::multi(wanted.k))
        } else {
            Box::new(TopKRule::new(wanted.k))
        }
    },
    suits: Card::SUITS,
};

/// Factor on the last batch's least kept pre-activation that gives the guess for the next.
const CAUTION: f32 = 0.98;
/// Length of Multi-TopK's longer code, in multiples of `k`, and the weight of its loss.
const MULTIPLE: usize = 4;
const WEIGHT: f32 = 0.125;

/// Keeps the `k` largest pre-activations of each token, then ReLU (TopK; Gao et al. 2024).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    /// Active per token at most.
    pub k: usize,
}

impl Selects for TopK {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        encode_topk(centred, w_enc, b_enc, self.k)
    }

    fn describe(&self) -> String {
        format!("TopK, k = {}", self.k)
    }

    fn definition(&self) -> &'static str {
        "Keeps the k largest pre-activations of each token, then applies ReLU"
    }

    fn canonical(&self) -> String {
        format!("topk {}", self.k)
    }

    fn trained_as(&self) -> Variant {
        Variant::TopK
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn ranks(&self) -> bool {
        true
    }
}

/// Training rule of TopK.
#[derive(Debug)]
struct TopKRule {
    k: usize,
    /// Multi-TopK's longer code.
    second: Option<Second>,
    /// A little below the least of the last batch's `k`-th largest pre-activations over lengths; 0 where a row had fewer.
    least_kept: f32,
}

impl TopKRule {
    fn new(k: usize) -> Self {
        Self {
            k,
            second: None,
            least_kept: 0.0,
        }
    }

    /// Creates the rule with Multi-TopK.
    fn multi(k: usize) -> Self {
        let second = Second {
            weight: WEIGHT,
            ..Second::default()
        };
        Self {
            second: Some(second),
            ..Self::new(k)
        }
    }
}

impl Rule for TopKRule {
    fn select(&mut self, step: &Step<'_>) -> Result<Latents> {
        let guesses: Vec<f32> = step.lengths.iter().map(|l| self.least_kept * l).collect();
        let own = step.k(self.k);
        let k = match self.second {
            Some(_) => (MULTIPLE * own).min(step.w_enc.rows()),
            None => own,
        };
        let latents = encode_topk_guessing(
            step.centred,
            step.w_enc,
            step.b_enc,
            (k, &guesses),
            step.product,
        )?;
        self.least_kept = CAUTION * least_kept(&latents, k, step.lengths);
        let Some(second) = &mut self.second else {
            return Ok(latents);
        };
        second.latents = latents;
        Ok(second.latents.largest(own))
    }

    fn decode(&mut self, step: &Step<'_>, latents: &Latents, into: &mut Residual) -> Result<f64> {
        residual(into, step.target, latents, step.w_dec, step.scale())?;
        let mut squared = into.squared;
        if let Some(second) = &mut self.second {
            let (left, scale) = (&mut second.left, second.weight * step.scale());
            residual(left, step.target, &second.latents, step.w_dec, scale)?;
            squared += f64::from(second.weight) * left.squared;
        }
        Ok(squared / step.denominator())
    }

    fn second(&self) -> Option<&Second> {
        self.second.as_ref()
    }

    fn inference(&self) -> Selection {
        Selection::TopK(TopK { k: self.k })
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        let mut least = vec![self.least_kept];
        keep.floats("least_kept", &mut least)?;
        self.least_kept = least.first().copied().unwrap_or_default();
        Ok(())
    }
}

/// Returns the least kept activation over the length of its row; 0 if a row has fewer than `k`.
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
