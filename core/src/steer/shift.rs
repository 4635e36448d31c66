//! Measures how steering changes the next token: probabilities before and after, and their divergence.

use candle_core::Tensor;

use crate::error::Result;
use crate::ids::TokenId;
use crate::text::TextCodec;

use super::{CHANGES, Change, Generated};

/// Computes log p of every token, in f64, from logits `[v]`.
pub(crate) fn log_probabilities(logits: &Tensor) -> Result<Vec<f64>> {
    let logits: Vec<f64> = logits
        .to_vec1::<f32>()?
        .into_iter()
        .map(f64::from)
        .collect();
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    Ok(logits.into_iter().map(|logit| logit - log_sum).collect())
}

/// Computes KL(after ‖ before) in nats from log-probabilities.
pub(crate) fn divergence(before: &[f64], after: &[f64]) -> f64 {
    let terms = before.iter().zip(after);
    terms
        .filter(|(_, after)| after.exp() > 0.0)
        .map(|(before, after)| after.exp() * (after - before))
        .sum()
}

/// Sums over positions, from which means are taken.
#[derive(Debug, Default)]
pub(super) struct Means {
    /// KL at each position.
    kl: Vec<f64>,
    /// Sums of probabilities, `[v]` each.
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Means {
    /// Adds one position, from log-probabilities.
    pub(super) fn add(&mut self, before: &[f64], after: &[f64]) {
        self.kl.push(divergence(before, after));
        for (sums, logs) in [(&mut self.before, before), (&mut self.after, after)] {
            sums.resize(logs.len(), 0.0);
            sums.iter_mut()
                .zip(logs)
                .for_each(|(sum, log)| *sum += log.exp());
        }
    }

    /// Returns the means; none if no position was added.
    pub(super) fn shift(self, codec: &TextCodec) -> Option<Generated> {
        let n = self.kl.len() as f64;
        let mean = |sums: Vec<f64>| -> Vec<f64> { sums.into_iter().map(|sum| sum / n).collect() };
        (!self.kl.is_empty()).then(|| Generated {
            kl: self.kl.iter().sum::<f64>() / n,
            shift: largest(&mean(self.before), &mean(self.after), codec),
            kl_by_token: self.kl,
        })
    }
}

/// Returns the tokens whose probabilities change most, from log-probabilities.
pub(super) fn changes(before: &[f64], after: &[f64], codec: &TextCodec) -> Vec<Change> {
    let probabilities = |logs: &[f64]| -> Vec<f64> { logs.iter().map(|log| log.exp()).collect() };
    largest(&probabilities(before), &probabilities(after), codec)
}

/// Returns the tokens whose probabilities change most, largest change first, ties by token.
fn largest(before: &[f64], after: &[f64], codec: &TextCodec) -> Vec<Change> {
    let change = |id: usize| (after[id] - before[id]).abs();
    let mut ids: Vec<usize> = (0..before.len()).collect();
    ids.sort_by(|a, b| change(*b).total_cmp(&change(*a)).then(a.cmp(b)));
    ids.truncate(CHANGES);
    ids.into_iter()
        .map(|id| Change {
            id: TokenId::from(id),
            text: codec.display(TokenId::from(id)),
            before: before[id] as f32,
            after: after[id] as f32,
        })
        .collect()
}
