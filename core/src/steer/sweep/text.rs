//! Figures of a continuation: how often it repeats itself, and how the untouched model reads it.

use std::collections::BTreeSet;

use candle_core::Tensor;
use rayon::prelude::*;

use super::GRAM;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::Trunk;
use crate::steer::shift::log_probabilities;

/// Logits held at once while continuations are read by the untouched model.
const HELD: usize = 1 << 23;

/// Figures of one continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Tokens, the one that ended it included.
    pub tokens: Vec<TokenId>,
    /// Share of repeated 3-grams; none below three tokens.
    pub repetition: Option<f64>,
    /// Perplexity under the untouched model; none without a token.
    pub perplexity: Option<f64>,
}

/// Returns the share of the 3-grams of `tokens` that occur earlier in it; none where there is none.
pub fn repetition(tokens: &[TokenId]) -> Option<f64> {
    let grams = tokens.windows(GRAM);
    let all = grams.len();
    let distinct: BTreeSet<&[TokenId]> = grams.collect();
    (all > 0).then(|| (all - distinct.len()) as f64 / all as f64)
}

/// Measures continuations of the prompt of `trunk`.
pub(super) fn measured(trunk: &Trunk<'_>, continuations: &[Vec<TokenId>]) -> Result<Vec<Text>> {
    let longest = continuations.iter().map(Vec::len).max().unwrap_or(0);
    let vocab = trunk.logits().elem_count();
    let at_once = (HELD / (longest * vocab).max(1)).max(1);
    let first = log_probabilities(trunk.logits())?;
    let mut texts = Vec::with_capacity(continuations.len());
    for some in continuations.chunks(at_once) {
        // The last token is only charged, and what stands behind a shorter row changes nothing before it.
        let read = longest.saturating_sub(1);
        let rows: Vec<Vec<TokenId>> = some
            .iter()
            .map(|row| {
                (0..read)
                    .map(|at| row.get(at).copied().unwrap_or_default())
                    .collect()
            })
            .collect();
        let after = (read > 0).then(|| trunk.after(&rows)).transpose()?; // [rows, read, v]
        let measured = some.par_iter().enumerate().map(|(row, tokens)| {
            let mut charged = 0.0;
            for (at, token) in tokens.iter().enumerate() {
                charged -= match (at.checked_sub(1), &after) {
                    (Some(behind), Some(after)) => at_position(after, row, behind, *token)?,
                    _ => first[token.index()],
                };
            }
            let mean = charged / tokens.len().max(1) as f64;
            Ok(Text {
                repetition: repetition(tokens),
                perplexity: (!tokens.is_empty()).then(|| mean.exp().min(f64::MAX)),
                tokens: tokens.clone(),
            })
        });
        texts.extend(measured.collect::<Result<Vec<Text>>>()?);
    }
    Ok(texts)
}

/// Returns log p of `token` at a position of logits `[rows, t, v]`.
fn at_position(logits: &Tensor, row: usize, at: usize, token: TokenId) -> Result<f64> {
    let logs = log_probabilities(&logits.get(row)?.get(at)?)?;
    Ok(logs[token.index()])
}
