//! Measures how steering changes the next token: probabilities before and after, and their divergence.

use candle_core::Tensor;

use crate::error::Result;
use crate::ids::TokenId;
use crate::text::TextCodec;

use super::{CHANGES, Change, Generated};

/// Computes log p of every token, in f64, from logits `[v]`.
pub(crate) fn log_probabilities(logits: &Tensor) -> Result<Vec<f64>> {
    Ok(log_of(&logits.to_vec1::<f32>()?))
}

/// Computes log p of every token, in f64.
pub(super) fn log_of(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let largest = f64::from(largest);
    let logits = || logits.iter().map(|logit| f64::from(*logit));
    let sum: f64 = logits().map(|logit| (logit - largest).exp()).sum();
    let log_sum = largest + sum.ln();
    logits().map(|logit| logit - log_sum).collect()
}

/// Computes KL(after ‖ before) in nats from log-probabilities.
pub(crate) fn divergence(before: &[f64], after: &[f64]) -> f64 {
    let terms = before.iter().zip(after);
    terms
        .filter(|(_, after)| after.exp() > 0.0)
        .map(|(before, after)| after.exp() * (after - before))
        .sum()
}

/// Distribution of the next token, in f64.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Distribution {
    /// Log p of every token.
    pub(super) logs: Vec<f64>,
    /// Probability of every token.
    p: Vec<f64>,
}

impl Distribution {
    /// Computes it from logits `[v]`.
    pub(super) fn new(logits: &Tensor) -> Result<Self> {
        let logs = log_probabilities(logits)?;
        let p = logs.iter().map(|log| log.exp()).collect();
        Ok(Self { logs, p })
    }

    /// Computes KL(self ‖ before) in nats.
    pub(super) fn divergence(&self, before: &Self) -> f64 {
        let terms = self.p.iter().zip(&self.logs).zip(&before.logs);
        terms
            .filter(|((p, _), _)| **p > 0.0)
            .map(|((p, after), before)| p * (after - before))
            .sum()
    }

    /// Returns the tokens whose probabilities change most, largest change first.
    pub(super) fn changes(&self, before: &Self, codec: &TextCodec) -> Vec<Change> {
        largest(&before.p, &self.p, codec)
    }
}

/// Sums over positions, from which means are taken.
#[derive(Debug, Default)]
pub(super) struct Means {
    /// Number of positions.
    many: usize,
    /// Sum of divergences.
    kl: f64,
    /// Sums of probabilities, `[v]` each.
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Means {
    /// Adds one position and its divergence.
    pub(super) fn add(&mut self, before: &Distribution, after: &Distribution, kl: f64) {
        self.many += 1;
        self.kl += kl;
        for (sums, of) in [(&mut self.before, before), (&mut self.after, after)] {
            sums.resize(of.p.len(), 0.0);
            sums.iter_mut().zip(&of.p).for_each(|(sum, p)| *sum += p);
        }
    }

    /// Returns the means; none if no position was added.
    pub(super) fn shift(self, codec: &TextCodec) -> Option<Generated> {
        let n = self.many as f64;
        let mean = |sums: Vec<f64>| -> Vec<f64> { sums.into_iter().map(|sum| sum / n).collect() };
        (self.many > 0).then(|| Generated {
            kl: self.kl / n,
            shift: largest(&mean(self.before), &mean(self.after), codec),
        })
    }
}

/// Returns the tokens whose probabilities change most, largest change first, ties by token.
fn largest(before: &[f64], after: &[f64], codec: &TextCodec) -> Vec<Change> {
    let change = |id: usize| (after[id] - before[id]).abs();
    let order = |a: &usize, b: &usize| change(*b).total_cmp(&change(*a)).then(a.cmp(b));
    let mut ids: Vec<usize> = (0..before.len()).collect();
    if ids.len() > CHANGES {
        ids.select_nth_unstable_by(CHANGES, order);
        ids.truncate(CHANGES);
    }
    ids.sort_unstable_by(order);
    ids.into_iter()
        .map(|id| Change {
            id: TokenId::from(id),
            text: codec.display(TokenId::from(id)),
            before: before[id] as f32,
            after: after[id] as f32,
        })
        .collect()
}
