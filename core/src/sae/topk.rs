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

use super::decision::Limit;
use super::rule::{Card, Choose, Finding, Numbers, Plan, Rule, Terms, Uses};
use super::selection::{Selection, Selects};
use super::state::Keep;
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::encode_topk;
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "topk",
    uses: &[Uses::Budget, Uses::K, Uses::Screen],
    rule: |wanted| {
        Box::new(TopKRule {
            k: wanted.k,
            multi: wanted.multi_topk,
            least_kept: 0.0,
        })
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

    fn cut_off(&self, pre: &[f32], _: usize) -> Option<Limit> {
        Some(Limit::of_positive(pre, self.k))
    }

    fn alone(&self, pre: f32, _: usize) -> Option<f32> {
        // Others decide which positive ones are kept.
        (pre <= 0.0).then_some(0.0)
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
    /// Whether a longer code counts too (Multi-TopK).
    multi: bool,
    /// A little below the least of the last batch's `k`-th largest pre-activations over lengths; 0 where a row had fewer.
    least_kept: f32,
}

impl Rule for TopKRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        let own = numbers.k(self.k);
        let guess = self.least_kept;
        if !self.multi {
            return Ok(Plan::plain(Choose::PerToken { k: own, guess }));
        }
        let k = (MULTIPLE * own).min(numbers.features);
        Ok(Plan {
            choose: Choose::PerToken { k, guess },
            terms: Terms::Longer {
                k: own,
                weight: WEIGHT,
            },
        })
    }

    fn learn(&mut self, finding: Finding) {
        if let Finding::LeastKept(least) = finding {
            self.least_kept = CAUTION * least;
        }
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
pub(super) fn least_kept(latents: &Latents, k: usize, lengths: &[f32]) -> f32 {
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
