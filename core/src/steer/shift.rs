//! How steering changes the next token: probabilities before and after, and their divergence.

use candle_core::Tensor;

use crate::error::Result;
use crate::ids::TokenId;
use crate::text::TextCodec;

use super::{CHANGES, Change};

/// log p of every token, in f64, from logits `[v]`.
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

/// KL(after ‖ before), nats, from log-probabilities.
pub(crate) fn divergence(before: &[f64], after: &[f64]) -> f64 {
    let terms = before.iter().zip(after);
    terms
        .filter(|(_, after)| after.exp() > 0.0)
        .map(|(before, after)| after.exp() * (after - before))
        .sum()
}

/// The tokens whose probabilities change most, largest change first, ties by token.
pub(super) fn changes(before: &[f64], after: &[f64], codec: &TextCodec) -> Vec<Change> {
    let change = |id: usize| (after[id].exp() - before[id].exp()).abs();
    let mut ids: Vec<usize> = (0..before.len()).collect();
    ids.sort_by(|a, b| change(*b).total_cmp(&change(*a)).then(a.cmp(b)));
    ids.truncate(CHANGES);
    ids.into_iter()
        .map(|id| Change {
            id: TokenId::from(id),
            text: codec.display(TokenId::from(id)),
            before: before[id].exp() as f32,
            after: after[id].exp() as f32,
        })
        .collect()
}
