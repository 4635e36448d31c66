//! Signed TopK: the largest magnitudes of each token.
//!
//! | | |
//! |---|---|
//! | paper | none of its own; TopK without its ReLU, so that one feature can stand for a direction and its opposite |
//! | rule in training | the `k` pre-activations of largest magnitude of each token, signs kept |
//! | rule at inference | the same |
//! | extra parameters | none |
//! | losses | normalised squared error, AuxK/32 by magnitude |
//! | other names | SAELens `abstopk`; sparsify's old `signed` |

use super::decision::{Limit, kth_largest, ordinal};
use super::rule::{Card, Choose, Numbers, Plan, Rule, Uses};
use super::selection::{Selection, Selects};
use super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::encode_abs_topk;
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "signed-topk",
    uses: &[Uses::Budget, Uses::K],
    rule: |wanted| Box::new(SignedTopKRule::new(wanted.k)),
    suits: Card::SUITS,
};

/// Keeps the `k` pre-activations of largest magnitude of each token, with their signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsTopK {
    /// Active per token at most.
    pub k: usize,
}

impl Selects for AbsTopK {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        encode_abs_topk(centred, w_enc, b_enc, self.k)
    }

    fn cut_off(&self, pre: &[f32], _: usize) -> Option<Limit> {
        let sizes: Vec<f32> = pre.iter().map(|pre| pre.abs()).collect();
        let named = format!(
            "the {} largest of this token's pre-activations in magnitude",
            ordinal(self.k)
        );
        Some(Limit::new(kth_largest(&sizes, self.k)?, named))
    }

    fn describe(&self) -> String {
        format!("signed TopK, k = {}", self.k)
    }

    fn definition(&self) -> &'static str {
        "Keeps the k pre-activations of largest magnitude of each token, with their signs"
    }

    fn canonical(&self) -> String {
        format!("abstopk {}", self.k)
    }

    fn trained_as(&self) -> Variant {
        Variant::SignedTopK
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn is_signed(&self) -> bool {
        true
    }

    fn ranks(&self) -> bool {
        true
    }
}

/// Training rule of signed TopK.
#[derive(Debug)]
struct SignedTopKRule {
    k: usize,
}

impl SignedTopKRule {
    fn new(k: usize) -> Self {
        Self { k }
    }
}

impl Rule for SignedTopKRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        let k = numbers.k(self.k);
        Ok(Plan::plain(Choose::Signed { k }))
    }

    fn inference(&self) -> Selection {
        Selection::AbsTopK(AbsTopK { k: self.k })
    }
}
