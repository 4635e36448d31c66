//! Matryoshka: nested dictionaries trained together.
//!
//! | | |
//! |---|---|
//! | paper | Bussmann et al. 2025, "Learning Multi-Level Features with Matryoshka Sparse Autoencoders" (arXiv 2503.17547) |
//! | rule in training | BatchTopK over all features |
//! | rule at inference | everything above one threshold, as BatchTopK |
//! | extra parameters | the threshold, not learnt by gradient |
//! | losses | the sum of normalised squared errors of decoding the first f/2^(l−1), …, f/2, f features; AuxK/32 on what all of them leave |
//! | other names | SAELens trains it as `matryoshka_batchtopk` and saves `jumprelu`; dictionary_learning `MatryoshkaBatchTopKSAE` |
//!
//! A decoder row learns from every reconstruction that contains its feature, by the sum of their residuals.

use super::parts::CutOff;
use super::rule::{Card, Finding, Levels, Numbers, Plan, Rule, Step, Terms, Uses};
use super::state::Keep;
use super::{JumpRelu, Selection};
use crate::error::Result;
use crate::kernels::residual::{Residual, pull_back, residual};
use crate::latents::Latents;

/// Entry of the list of variants.
pub(super) const CARD: Card = Card {
    name: "matryoshka",
    uses: &[Uses::Budget, Uses::K, Uses::Screen],
    rule: |wanted| {
        Box::new(MatryoshkaRule::new(
            wanted.k,
            wanted.features,
            wanted.levels,
        ))
    },
    suits: Card::SUITS,
};

/// Training rule of Matryoshka.
#[derive(Debug)]
struct MatryoshkaRule {
    k: usize,
    /// Ends of the levels, rising; the last is the number of features.
    ends: Vec<usize>,
    cut: CutOff,
}

impl MatryoshkaRule {
    /// Creates the rule for `levels` nested dictionaries, each half as large as the next.
    fn new(k: usize, features: usize, levels: usize) -> Self {
        let mut ends: Vec<usize> = (0..levels.max(1))
            .rev()
            .map(|level| (features >> level.min(63)).max(1))
            .collect();
        ends.dedup();
        Self {
            k,
            ends,
            cut: CutOff::default(),
        }
    }
}

/// Decodes the features up to each of `ends`, one part of them after the other; `into` gets the residual of all, and every entry's gradient of all errors.
pub(super) fn decode(
    ends: &[usize],
    step: &Step<'_>,
    latents: &Latents,
    into: &mut Residual,
) -> Result<(Levels, f64)> {
    let scale = step.numbers.scale();
    let mut loss = 0.0;
    let mut residuals: Vec<Residual> = Vec::with_capacity(ends.len());
    let mut first = 0;
    for end in ends {
        let group = latents.of_features(first as u32..*end as u32);
        let mut left = Residual::default();
        let target = residuals
            .last()
            .map_or(step.target, |before| &before.residual);
        residual(&mut left, target, &group, step.w_dec, scale)?;
        loss += left.squared / step.numbers.denominator();
        residuals.push(left);
        first = *end;
    }
    let mut sum = residuals[residuals.len() - 1].residual.clone();
    let mut column_sums = residuals[residuals.len() - 1].column_sums.clone();
    let mut tables = vec![(ends[ends.len() - 1], sum.clone())];
    for (end, left) in ends.iter().zip(&residuals).rev().skip(1) {
        let pairs = sum.values_mut().iter_mut().zip(left.residual.values());
        pairs.for_each(|(sum, value)| *sum += value);
        let pairs = column_sums.iter_mut().zip(&left.column_sums);
        pairs.for_each(|(sum, value)| *sum += value);
        tables.push((*end, sum.clone()));
    }
    tables.reverse();
    let levels = |tables| Levels {
        tables,
        column_sums,
    };
    let Some(last) = residuals.pop() else {
        return Ok((levels(tables), loss));
    };
    *into = last;
    let by_table = tables.iter().map(|(end, table)| (*end, table));
    into.d_acts = pull_back(&by_table.collect::<Vec<_>>(), latents, step.w_dec, scale);
    Ok((levels(tables), loss))
}

impl Rule for MatryoshkaRule {
    fn plan(&mut self, numbers: &Numbers) -> Result<Plan> {
        Ok(Plan {
            choose: self.cut.choice(numbers, self.k),
            terms: Terms::Levels(self.ends.clone()),
        })
    }

    fn learn(&mut self, finding: Finding) {
        self.cut.learn(&finding);
    }

    fn take_over(&mut self, selection: &Selection) {
        self.cut.take_over(selection);
    }

    fn inference(&self) -> Selection {
        let features = self.ends.last().copied().unwrap_or(0);
        Selection::JumpRelu(JumpRelu {
            thresholds: vec![self.cut.threshold(); features],
        })
    }

    fn differs(&self) -> bool {
        true
    }

    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.cut.state(keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_halve_and_end_with_all_features() {
        assert_eq!(MatryoshkaRule::new(1, 40, 4).ends, [5, 10, 20, 40]);
        assert_eq!(MatryoshkaRule::new(1, 41, 2).ends, [20, 41]);
        assert_eq!(MatryoshkaRule::new(1, 3, 10).ends, [1, 3]);
        assert_eq!(MatryoshkaRule::new(1, 8, 1).ends, [8]);
    }
}
