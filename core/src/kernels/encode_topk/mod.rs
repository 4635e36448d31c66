//! `pre[n, f] = centred[n, d] · w_enc[f, d]ᵀ + b_enc[f]`, then the `k` largest positive entries of each row, ascending by feature.
//!
//! | tensor | shape |
//! |---|---|
//! | `centred` | `[n, d]`, the activations less `b_dec` |
//! | `w_enc`, `b_enc` | `[f, d]`, `[f]` |
//! | result | `Latents` with at most `k` entries a row |
//!
//! Equal pre-activations at the boundary: the lower feature wins. Since ReLU follows the selection, an entry ≤ 0 is never kept, so a row may have
//! fewer than `k`. A NaN or infinite pre-activation is an error. The table `[n, f]` is never stored: a tile of it is searched while it is in cache.
//!
//! Tolerance against the definition: 1e-5 relative to Σ|centred·w_enc| + |b_enc| of the entry, since f32 sums of `d` products are rounded in
//! another order; where two pre-activations differ by less, either may be kept.

#[cfg(test)]
pub(crate) mod cases;
mod cpu;
#[cfg(test)]
pub(super) mod reference;

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::sae::Latents;

/// Latents of centred activations `[n, d]` under `w_enc [f, d]`, `b_enc [f]`.
pub fn encode_topk(centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
    Dims::of("encode_topk")
        .bind("centred", centred, "n d")?
        .bind("w_enc", w_enc, "f d")?
        .bind("b_enc", b_enc, "f")?;
    joined(cpu::encode(centred, w_enc, b_enc, (k, None)))
}

/// The same latents, sooner where each of `guesses [n]` (≥ 0) lies a little below the row's `k`-th largest pre-activation: what does not exceed it is not
/// looked at again. A row of which fewer than `k` entries exceed their guess is encoded once more without it.
pub fn encode_topk_guessing(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    k: usize,
    guesses: &[f32],
) -> Result<Latents> {
    Dims::of("encode_topk_guessing")
        .bind("centred", centred, "n d")?
        .bind("w_enc", w_enc, "f d")?
        .bind("b_enc", b_enc, "f")?
        .bind("guesses", guesses, "n")?;
    joined(cpu::encode(centred, w_enc, b_enc, (k, Some(guesses))))
}

/// Chunks of rows as one; the first pre-activation that is not finite as an error.
fn joined(chunks: Vec<Result<Latents, (usize, usize)>>) -> Result<Latents> {
    let not_finite = |(row, feature)| Error::Numeric {
        what: format!(
            "the pre-activation of token {row}, feature {feature} is not a finite number: look for NaN or infinity in the activations or in the encoder's weights"
        ),
    };
    let chunks = chunks.into_iter().collect::<Result<Vec<_>, _>>();
    Ok(Latents::joined(&chunks.map_err(not_finite)?))
}

/// The result of every form that this machine has.
#[cfg(test)]
pub(super) fn by_every_form(
    operands: (&Matrix, &Matrix, &[f32]),
    selection: (usize, Option<&[f32]>),
) -> Vec<(String, Result<Latents>)> {
    cpu::Form::present()
        .into_iter()
        .map(|form| {
            let chunks = cpu::encode_by(form, operands, selection);
            (format!("{form:?}"), joined(chunks))
        })
        .collect()
}
