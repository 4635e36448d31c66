//! Checks of masks: whether a rule keeps, in each unit of a batch (a token, a feature or the whole batch), the largest positive pre-activations up to the
//! budget, or all if there are fewer.

use super::measure::densities;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{
    Bar, Product, encode_above, encode_budget, encode_by_feature, encode_topk,
};
use crate::latents::Latents;
use crate::sae::{Sae, Zipf};

/// Distribution of the budget of a batch.
#[derive(Debug, Clone)]
pub(super) enum Constraint {
    /// Budget per token (TopK).
    Token(usize),
    /// Average per token, anywhere in the batch (Mutual Choice).
    Batch(usize),
    /// Budget of each feature in a batch, `[f]` (Feature Choice).
    Feature(Vec<u32>),
}

/// Result of checking a constraint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Number of units with a budget.
    pub(super) units: usize,
    /// Units with at least as many positive pre-activations as their budget, which must be full.
    pub(super) full: usize,
    /// Units that hold anything but their largest positive pre-activations.
    pub(super) broken: usize,
}

impl Constraint {
    /// Budgets by a law for batches of `tokens`, the more the denser a feature is in `latents`.
    pub(super) fn by_law(law: Zipf, k: usize, tokens: usize, sae: &Sae, latents: &Latents) -> Self {
        let density = densities(latents, sae.features());
        let mut ranking: Vec<usize> = (0..density.len()).collect();
        ranking.sort_by(|a, b| density[*b].total_cmp(&density[*a]).then(a.cmp(b)));
        let mut budgets = vec![0; density.len()];
        let by_rank = law.budgets(density.len(), k * tokens, tokens);
        for (feature, budget) in ranking.into_iter().zip(by_rank) {
            budgets[feature] = budget;
        }
        Self::Feature(budgets)
    }

    /// Encodes one batch `x [n, d]` by the rule.
    pub(super) fn select(&self, sae: &Sae, x: &Matrix) -> Result<Latents> {
        let centred = sae.centred(x)?;
        let (w_enc, b_enc) = (&sae.w_enc, &sae.b_enc);
        match self {
            Self::Token(k) => encode_topk(&centred, w_enc, b_enc, *k),
            Self::Batch(k) => {
                let budget = k * x.rows();
                Ok(encode_budget(&centred, w_enc, b_enc, (budget, 0.0), Product::Exact)?.0)
            }
            Self::Feature(budgets) => {
                encode_by_feature(&centred, w_enc, b_enc, budgets, Product::Exact)
            }
        }
    }

    /// Returns the budget of each unit and its activations in `latents`.
    fn units(&self, latents: &Latents, features: usize) -> Vec<(usize, Vec<f32>)> {
        match self {
            Self::Token(k) => (0..latents.rows())
                .map(|row| (*k, latents.acts[latents.range(row)].to_vec()))
                .collect(),
            Self::Batch(k) => vec![(k * latents.rows(), latents.acts.clone())],
            Self::Feature(budgets) => {
                let mut columns = vec![Vec::new(); features];
                for (feature, act) in latents.features.iter().zip(&latents.acts) {
                    columns[*feature as usize].push(*act);
                }
                let budgets = budgets.iter().map(|budget| *budget as usize);
                budgets.zip(columns).collect()
            }
        }
    }

    /// Checks `kept`, the code of the batch `x [n, d]`.
    pub(super) fn check(&self, sae: &Sae, x: &Matrix, kept: &Latents) -> Result<Kept> {
        let centred = sae.centred(x)?;
        let positive = encode_above(&centred, &sae.w_enc, &sae.b_enc, Bar::All(0.0))?;
        let mut found = Kept::default();
        let kept = self.units(kept, sae.features());
        let positive = self.units(&positive, sae.features());
        for ((budget, mut kept), (_, mut all)) in kept.into_iter().zip(positive) {
            for acts in [&mut kept, &mut all] {
                acts.sort_by(|a, b| b.total_cmp(a));
            }
            found.units += 1;
            found.full += usize::from(all.len() >= budget);
            all.truncate(budget);
            found.broken += usize::from(kept != all);
        }
        Ok(found)
    }

    /// Encodes all of `x` in batches of `tokens` and checks every batch.
    pub(super) fn over(&self, sae: &Sae, x: &Matrix, tokens: usize) -> Result<(Latents, Kept)> {
        let (mut parts, mut sum) = (Vec::new(), Kept::default());
        // A shorter last batch has another budget and is left out of the check by all rules alike.
        let rows: Vec<u32> = (0..x.rows() as u32).collect();
        for batch in rows.chunks_exact(tokens) {
            let batch = x.rows_of(batch);
            let kept = self.select(sae, &batch)?;
            let found = self.check(sae, &batch, &kept)?;
            sum.units += found.units;
            sum.full += found.full;
            sum.broken += found.broken;
            parts.push(kept);
        }
        Ok((Latents::joined(&parts), sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sae::Relu;

    #[test]
    fn a_mask_that_spends_more_less_or_elsewhere_is_seen() {
        let unit = Matrix::new(3, 3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
        let sae = Sae::new("", (unit.clone(), vec![0.0; 3]), (unit, vec![0.0; 3]), Relu);
        let x = Matrix::new(2, 3, vec![3.0, 2.0, 1.0, 5.0, -1.0, 4.0]).unwrap();
        for constraint in [
            Constraint::Token(1),
            Constraint::Batch(1),
            Constraint::Feature(vec![1, 2, 1]),
        ] {
            let kept = constraint.select(&sae, &x).unwrap();
            let found = constraint.check(&sae, &x, &kept).unwrap();
            assert!(found.broken == 0 && found.full > 0, "{constraint:?}");
            let changed = |features: &[u32], acts: &[f32]| {
                let mut changed = Latents::default();
                changed.push_row(features, acts);
                changed.push_row(&[0], &[5.0]);
                constraint.check(&sae, &x, &changed).unwrap().broken
            };
            assert!(changed(&[], &[]) > 0, "{constraint:?} takes too few");
            assert!(
                changed(&[0, 1, 2], &[3.0, 2.0, 1.0]) > 0,
                "{constraint:?} takes too many"
            );
            assert!(
                changed(&[2], &[1.0]) > 0,
                "{constraint:?} takes smaller ones"
            );
        }
    }
}
