//! BatchTopK: one budget of active features per batch.
//!
//! | | |
//! |---|---|
//! | paper | Bussmann, Leask and Nanda 2024, "BatchTopK Sparse Autoencoders" (arXiv 2412.06410) |
//! | rule in training | the `k · n` largest positive pre-activations of a batch of `n` tokens |
//! | rule at inference | everything above one threshold: the moving average of the batches' cut-offs |
//! | extra parameters | the threshold, not learnt by gradient |
//! | losses | normalised squared error, AuxK/32 |
//! | other names | SAELens saves it as `jumprelu` with one threshold for all features; dictionary_learning `BatchTopKSAE` |

use super::parts::CutOff;
use super::rule::{Card, Finding, Numbers, Plan, Rule, Uses};
use super::state::Keep;
use super::{JumpRelu, Selection};
use crate::error::Result;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "batch-topk",
    uses: &[Uses::Budget, Uses::K, Uses::Screen],
    rule: |wanted| Box::new(BatchTopKRule::new(wanted.k, wanted.features)),
    suits: Card::SUITS,
};

/// Training rule of BatchTopK.
#[derive(Debug)]
struct BatchTopKRule {
    k: usize,
    features: usize,
    cut: CutOff,
}

impl BatchTopKRule {
    fn new(k: usize, features: usize) -> Self {
        Self {
            k,
            features,
            cut: CutOff::default(),
        }
    }
}

impl Rule for BatchTopKRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan::plain(self.cut.choice(numbers, self.k)))
    }

    fn learn(&mut self, finding: Finding) {
        self.cut.learn(&finding);
    }

    fn take_over(&mut self, selection: &Selection) {
        self.cut.take_over(selection);
    }

    fn inference(&self) -> Selection {
        Selection::JumpRelu(JumpRelu {
            thresholds: vec![self.cut.threshold(); self.features],
        })
    }

    fn differs(&self) -> bool {
        true
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.cut.state(keep)
    }
}
