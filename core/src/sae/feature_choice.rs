//! Feature Choice: each feature has a budget of tokens.
//!
//! | | |
//! |---|---|
//! | paper | Ayonrinde 2024 (arXiv 2411.02124); two phases, budgets and the inference rule are ours where it does not say |
//! | rule in training | first Mutual Choice; then each feature keeps its `m_i` largest positive pre-activations of a batch, `m_i` from a Zipf law by the rank of its density |
//! | rule at inference | everything above a threshold of its feature: the moving average of the feature's cut-off |
//! | extra parameters | thresholds, densities, budgets; none learnt by gradient |
//! | losses | normalised squared error, `aux_zipf`/32 |
//! | other names | saved as SAELens `jumprelu` |
//!
//! Budgets sum to `k` times the tokens of the batch. Every feature has a budget in every batch, so none dies as long as budgets are generous: aim for
//! `k · batch ≥ 10 · features`. A feature with fewer positive entries than its budget is not cut; its cut-off for that batch is 0.

use super::mutual_choice::{Law, MutualChoiceRule};
use super::parts::Average;
use super::rule::{After, Card, Choose, Finding, Numbers, Plan, Rule, Uses};
use super::state::Keep;
use super::zipf::Zipf;
use super::{JumpRelu, Selection};
use crate::error::{Error, Result};

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "feature-choice",
    uses: &[Uses::Budget, Uses::K, Uses::Law, Uses::Screen],
    rule: |wanted| {
        Box::new(FeatureChoiceRule::new(
            wanted.k,
            wanted.features,
            wanted.law,
            wanted.phase,
        ))
    },
    suits: Card::SUITS,
};

/// Training rule of Feature Choice.
#[derive(Debug)]
struct FeatureChoiceRule {
    k: usize,
    /// Share of the steps after which features choose.
    phase: f64,
    first: MutualChoiceRule,
    second: Option<Second>,
    note: Option<String>,
}

/// State of the second phase.
#[derive(Debug, Clone)]
struct Second {
    law: Zipf,
    /// Share of the variance of densities that the law explains.
    explained: f64,
    /// Features by falling density at the start of the phase, `[f]`.
    ranking: Vec<u32>,
    /// Budgets for a batch of `tokens`, `[f]`.
    budgets: Vec<u32>,
    tokens: usize,
    /// Moving averages of cut-offs, `[f]`.
    cuts: Vec<Average>,
}

impl Second {
    /// Computes the budgets for a batch of `tokens`.
    fn budget(&mut self, k: usize, tokens: usize) {
        if self.tokens == tokens {
            return;
        }
        let features = self.ranking.len();
        let by_rank = self.law.budgets(features, k * tokens, tokens);
        for (feature, budget) in self.ranking.iter().zip(by_rank) {
            self.budgets[*feature as usize] = budget;
        }
        self.tokens = tokens;
    }

    /// Records the cut-off of each feature.
    fn count(&mut self, counts: &[u32], least: &[f32]) {
        let kept = counts.iter().zip(least);
        for ((cut, budget), (count, least)) in self.cuts.iter_mut().zip(&self.budgets).zip(kept) {
            let least = if count == budget { *least } else { 0.0 };
            cut.add(least.into());
        }
    }
}

impl FeatureChoiceRule {
    /// Creates the rule; the share `phase` of the run is Mutual Choice.
    fn new(k: usize, features: usize, law: Law, phase: f64) -> Self {
        Self {
            k,
            phase,
            first: MutualChoiceRule::new(k, features, law),
            second: None,
            note: None,
        }
    }

    fn begin(&mut self) -> Result<Second> {
        let Some((law, explained)) = self.first.fit() else {
            return Err(Error::Numeric {
                what: "fewer than three features have fired when features begin to choose, so no Zipf law can be fitted: raise `phase`, or set zipf_alpha and zipf_beta".to_owned(),
            });
        };
        self.note = Some(format!(
            "Features choose from this step on: Zipf law with α {:.3}, β {:.1} (R² {explained:.3})",
            law.alpha, law.beta
        ));
        let ranking = self.first.densities().ranking();
        Ok(Second {
            law,
            explained,
            budgets: vec![0; ranking.len()],
            tokens: 0,
            cuts: vec![Average::default(); ranking.len()],
            ranking,
        })
    }
}

impl Rule for FeatureChoiceRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        if self.second.is_none() && numbers.done < self.phase {
            return self.first.plan(numbers);
        }
        let mut second = match self.second.take() {
            Some(second) => second,
            None => self.begin()?,
        };
        second.budget(numbers.k(self.k), numbers.tokens());
        let budgets = second.budgets.clone();
        self.second = Some(second);
        Ok(Plan::plain(Choose::ByFeature(budgets)))
    }

    fn learn(&mut self, finding: Finding) {
        match (&mut self.second, finding) {
            (Some(second), Finding::ByFeature { counts, least }) => second.count(&counts, &least),
            (_, finding) => self.first.learn(finding),
        }
    }

    fn helped(&self, dead: Vec<u32>) -> Vec<u32> {
        self.first.helped(dead)
    }

    fn after_step(&mut self, after: &After<'_>) {
        self.first.after_step(after);
    }

    fn note(&mut self) -> Option<String> {
        self.note.take()
    }

    fn law(&self) -> Option<(Zipf, f64)> {
        match &self.second {
            None => self.first.law(),
            Some(second) => Some((second.law, second.explained)),
        }
    }

    fn take_over(&mut self, selection: &Selection) {
        self.first.take_over(selection);
    }

    fn inference(&self) -> Selection {
        match &self.second {
            None => self.first.inference(),
            Some(second) => Selection::JumpRelu(JumpRelu {
                thresholds: second.cuts.iter().map(|cut| cut.get() as f32).collect(),
            }),
        }
    }

    fn differs(&self) -> bool {
        true
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.first.state(keep)?;
        let features = self.first.densities().0.len();
        let mut law: Vec<f64> = (self.second.iter())
            .flat_map(|second| [second.law.alpha, second.law.beta, second.explained])
            .collect();
        keep.reals("second.law", &mut law)?;
        let [alpha, beta, explained] = law.as_slice() else {
            self.second = None;
            return Ok(());
        };
        let mut second = self.second.take().unwrap_or_else(|| Second {
            law: Zipf {
                alpha: *alpha,
                beta: *beta,
            },
            explained: *explained,
            ranking: Vec::new(),
            budgets: vec![0; features],
            tokens: 0,
            cuts: vec![Average::default(); features],
        });
        keep.small("second.ranking", &mut second.ranking)?;
        let mut cuts: Vec<f64> = second.cuts.iter().map(|cut| cut.get()).collect();
        keep.reals("second.cuts", &mut cuts)?;
        // Every feature has a cut-off after the first step of the phase.
        second.cuts = cuts.into_iter().map(Average::at).collect();
        self.second = Some(second);
        Ok(())
    }
}
