//! Probable next tokens from logits.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::ids::TokenId;
use crate::models::Model;
use crate::text::TextCodec;

/// Probable next token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NextToken {
    /// Token id.
    pub id: TokenId,
    /// Token as text.
    pub text: String,
    /// Probability.
    pub probability: f32,
}

/// Returns the most likely tokens after each position of `logits [1, t, v]`.
pub(super) fn next_tokens(
    model: &Model,
    logits: &Tensor,
    most: usize,
) -> Result<Vec<Vec<NextToken>>> {
    let logits = logits.squeeze(0)?.to_vec2::<f32>()?; // [t, v]
    let at = |logits: &Vec<f32>| most_likely(model.codec(), logits, log_sum_exp(logits), most);
    Ok(logits.iter().map(at).collect())
}

/// Computes ln Σ exp of `logits`, summed in f64.
pub(crate) fn log_sum_exp(logits: &[f32]) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - largest).exp()).sum();
    f64::from(largest) + sum.ln()
}

/// Returns the `most` most likely tokens by `logits [v]`, whose [`log_sum_exp`] is given; among equals the smaller id first.
pub(crate) fn most_likely(
    codec: &TextCodec,
    logits: &[f32],
    log_sum_exp: f64,
    most: usize,
) -> Vec<NextToken> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let by_logit = |i: &usize, j: &usize| logits[*j].total_cmp(&logits[*i]).then(i.cmp(j));
    if most < order.len() {
        order.select_nth_unstable_by(most, by_logit);
        order.truncate(most);
    }
    order.sort_unstable_by(by_logit);
    let next = |i: usize| NextToken {
        id: TokenId::from(i),
        text: codec.display(TokenId::from(i)),
        probability: (f64::from(logits[i]) - log_sum_exp).exp() as f32,
    };
    order.into_iter().map(next).collect()
}
