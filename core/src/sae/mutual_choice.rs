//! Mutual Choice: BatchTopK that helps under-used features by a Zipf law.
//!
//! | | |
//! |---|---|
//! | paper | Ayonrinde 2024, "Adaptive Sparse Allocation with Mutual Choice & Feature Choice Sparse Autoencoders" (arXiv 2411.02124) |
//! | rule in training | the `k · n` largest positive pre-activations of a batch: token and feature choose each other under one budget |
//! | rule at inference | everything above one threshold, as BatchTopK |
//! | extra parameters | the threshold and each feature's density, moving averages |
//! | losses | normalised squared error; `aux_zipf`: AuxK on every feature that fires less than `τ` times what a Zipf law gives its rank |
//! | other names | BatchTopK is the same rule; `aux_k` is `aux_zipf` on the features that never fire |

use super::parts::{CutOff, Densities};
use super::rule::{After, Card, Finding, Numbers, Plan, Rule, Uses};
use super::state::Keep;
use super::zipf::Zipf;
use super::{JumpRelu, Selection};
use crate::error::Result;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "mutual-choice",
    uses: &[Uses::Budget, Uses::K, Uses::Law, Uses::Screen],
    rule: |wanted| Box::new(MutualChoiceRule::new(wanted.k, wanted.features, wanted.law)),
    suits: Card::SUITS,
};

/// Steps between fits of the law.
const REFIT: u64 = 100;

/// Zipf law that features are compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Law {
    /// Law that was set; none to fit it to the densities so far.
    pub(crate) given: Option<Zipf>,
    /// Share of its law's density below which a feature is under-used.
    pub(crate) tau: f64,
}

/// Training rule of Mutual Choice.
#[derive(Debug)]
pub(super) struct MutualChoiceRule {
    k: usize,
    law: Law,
    cut: CutOff,
    densities: Densities,
    steps: u64,
    fitted: Option<Zipf>,
}

impl MutualChoiceRule {
    pub(super) fn new(k: usize, features: usize, law: Law) -> Self {
        Self {
            k,
            law,
            cut: CutOff::default(),
            densities: Densities::new(features),
            steps: 0,
            fitted: None,
        }
    }

    /// Densities of the features so far.
    pub(super) fn densities(&self) -> &Densities {
        &self.densities
    }

    /// Returns the law, set or fitted, with the share of variance that the fit explains.
    pub(super) fn fit(&self) -> Option<(Zipf, f64)> {
        let ranking = self.densities.ranking();
        let falling: Vec<f64> = (ranking.iter())
            .map(|f| self.densities.0[*f as usize])
            .collect();
        match self.law.given {
            Some(law) => Some((law, 1.0)),
            None => Zipf::fit(&falling),
        }
    }

    /// Returns the features that fire less than the law gives their rank, ascending.
    fn under_used(&self, law: Zipf) -> Vec<u32> {
        let total: f64 = self.densities.0.iter().sum();
        let expected = law.densities(self.densities.0.len(), total);
        let mut under: Vec<u32> = (self.densities.ranking().into_iter())
            .zip(expected)
            .filter(|(f, expected)| self.densities.0[*f as usize] < self.law.tau * expected)
            .map(|(f, _)| f)
            .collect();
        under.sort_unstable();
        under
    }
}

impl Rule for MutualChoiceRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan::plain(self.cut.choice(numbers, self.k)))
    }

    fn learn(&mut self, finding: Finding) {
        self.cut.learn(&finding);
    }

    fn helped(&self, dead: Vec<u32>) -> Vec<u32> {
        match self.law.given.or(self.fitted) {
            Some(law) if self.steps >= REFIT => self.under_used(law),
            _ => dead,
        }
    }

    fn after_step(&mut self, after: &After<'_>) {
        self.densities.add(after.counts, after.tokens);
        self.steps += 1;
        if self.steps.is_multiple_of(REFIT) {
            self.fitted = self.fit().map(|(law, _)| law);
        }
    }

    fn law(&self) -> Option<(Zipf, f64)> {
        self.fit()
    }

    fn take_over(&mut self, selection: &Selection) {
        self.cut.take_over(selection);
    }

    fn inference(&self) -> Selection {
        Selection::JumpRelu(JumpRelu {
            thresholds: vec![self.cut.threshold(); self.densities.0.len()],
        })
    }

    fn differs(&self) -> bool {
        true
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.cut.state(keep)?;
        keep.reals("densities", &mut self.densities.0)?;
        keep.number("steps", &mut self.steps)?;
        let mut fitted: Vec<f64> = (self.fitted.iter())
            .flat_map(|law| [law.alpha, law.beta])
            .collect();
        keep.reals("fitted", &mut fitted)?;
        self.fitted = match fitted.as_slice() {
            [alpha, beta] => Some(Zipf {
                alpha: *alpha,
                beta: *beta,
            }),
            _ => None,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_below_their_share_of_the_law_are_helped_and_before_it_is_known_the_dead() {
        let given = Zipf {
            alpha: 1.0,
            beta: 0.0,
        };
        let law = Law {
            given: Some(given),
            tau: 0.5,
        };
        let mut rule = MutualChoiceRule::new(1, 4, law);
        // 12/25, 6/25, 4/25 and 3/25 by the law, in the order of ranks.
        rule.densities = Densities(vec![0.02, 0.6, 0.3, 0.08]);
        assert_eq!(rule.helped(vec![3]), [3]);
        rule.steps = REFIT;
        // Feature 3 has rank 3 and should have 0.16, feature 0 rank 4 and 0.12.
        assert_eq!(rule.helped(vec![3]), [0]);
        rule.law.tau = 0.6;
        assert_eq!(rule.helped(vec![]), [0, 3]);
    }
}
