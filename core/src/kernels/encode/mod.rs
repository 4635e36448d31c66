//! `pre[n, f] = centred[n, d] · w_enc[f, d]ᵀ + b_enc[f]`, then the entries that a selection rule keeps, in one pass: the table `[n, f]` is never stored,
//! a tile of it is searched while it is in registers or cache.
//!
//! | rule | keeps | function |
//! |---|---|---|
//! | per token | the `k` largest positive entries of each row | [`encode_topk`], [`encode_topk_guessing`] |
//! | per token, signed | the `k` entries of largest magnitude of each row, with their sign | [`encode_abs_topk`] |
//! | per token, raw | the `k` largest entries of each row, also negative ones | [`encode_raw_topk`] |
//! | per token, by gradient | the `k` entries of largest score `pre · (1 + β·abs(g))`, `g = gradients · w_decᵀ`, where the score is positive | [`encode_scored`] |
//! | whole batch | the `budget` largest positive entries of the table | [`encode_budget`] |
//! | per feature | the `budgets[f]` largest positive entries of each column | [`encode_by_feature`] |
//! | threshold | entries above a bar, one for all or one for each feature | [`encode_above`] |
//!
//! | tensor | shape |
//! |---|---|
//! | `centred`, `gradients` | `[n, d]`: the activations less `b_dec`; the loss's gradient with respect to them |
//! | `w_enc`, `b_enc`, `w_dec` | `[f, d]`, `[f]`, `[f, d]` |
//! | result | `Latents` of `n` rows, ascending by feature |
//!
//! Equal entries at a boundary: the lower token wins, then the lower feature. Where ReLU follows the selection, an entry ≤ 0 is never kept, so fewer than
//! the budget may be. A NaN or infinite entry is an error naming token and feature; one that is minus infinity passes no bar and is not seen.
//!
//! Tolerance against the definition: 1e-5 relative to Σ|centred·w_enc| + |b_enc| of the entry, since f32 sums of `d` products are rounded in
//! another order; where two pre-activations differ by less, either may be kept. All rules see the same pre-activations, bit for bit, on one machine, so
//! each is the definition of its rule on that table exactly. On a device this holds for the device's own table, whose order of summation and bound
//! `kernels/product` states; values below 2⁻¹²⁶ may count as 0 there, and `k` per token is at most 512.

#[cfg(test)]
pub(crate) mod cases;
mod cpu;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
#[cfg(test)]
#[cfg(feature = "gpu")]
mod gpu_tests;
#[cfg(feature = "gpu")]
mod placed;
#[cfg(test)]
pub(super) mod reference;
#[cfg(test)]
mod rules_tests;

use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::latents::Latents;

use cpu::{Features, Form, NotFinite, Screen};

/// Entries per token that a device can select by rank.
pub(crate) const MOST_ON_DEVICE: usize = 512;

/// Product that finds the candidates of a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Product {
    /// f32 product.
    #[default]
    Exact,
    /// Product of 16-bit integers with a proven margin, if the machine has AVX2; candidates are then computed in f32, in another order of additions. Results
    /// differ only for pre-activations closer than f32's rounding.
    Screened,
}

/// Bar that entries must exceed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar<'a> {
    /// One bar for the whole table.
    All(f32),
    /// One bar per feature, `[f]`.
    ByFeature(&'a [f32]),
}

impl Bar<'_> {
    fn of(self, feature: usize) -> f32 {
        match self {
            Self::All(bar) => bar,
            Self::ByFeature(bars) => bars[feature],
        }
    }
}

/// Rule of a dictionary in use, which runs where the encoder lies.
#[derive(Debug, Clone, Copy)]
enum Kept<'a> {
    /// The `k` largest positive entries of each row.
    Largest(usize),
    /// The `k` entries of largest magnitude of each row.
    Strongest(usize),
    /// Entries above a bar.
    Above(Bar<'a>),
}

/// Keeps entries by `kept`, on the device on which `w_enc` is placed.
fn encode(
    op: &'static str,
    (centred, w_enc, b_enc): (&Matrix, &Matrix, &[f32]),
    kept: Kept<'_>,
) -> Result<Latents> {
    let features = checked(op, centred, w_enc, b_enc)?;
    #[cfg(feature = "gpu")]
    if let Some(latents) = placed::encode(centred, (w_enc, b_enc), kept)? {
        return Ok(latents);
    }
    let form = Form::fastest();
    joined(match kept {
        Kept::Largest(k) => cpu::topk(form, centred, features, (k, None)),
        Kept::Strongest(k) => cpu::abs_topk(form, centred, features, k),
        Kept::Above(bar) => cpu::above(form, centred, features, bar),
    })
}

/// Keeps the `k` largest pre-activations of each token under `w_enc [f, d]`, `b_enc [f]`.
pub fn encode_topk(centred: &Matrix, w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents> {
    encode("encode_topk", (centred, w_enc, b_enc), Kept::Largest(k))
}

/// Keeps the `k` largest pre-activations of each token, including negative ones; zeros are left out.
pub fn encode_raw_topk(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    k: usize,
) -> Result<Latents> {
    // Rows at once, since all entries of some may be held.
    const ROWS: usize = 64;
    checked("encode_raw_topk", centred, w_enc, b_enc)?;
    #[cfg(feature = "gpu")]
    if let Some(latents) = placed::raw(centred, (w_enc, b_enc), k)? {
        return Ok(latents);
    }
    let d = centred.columns().max(1);
    let mut parts = Vec::new();
    for rows in centred.values().chunks(ROWS * d) {
        let rows = Matrix::new(rows.len() / d, d, rows.to_vec())?;
        let positive = encode_topk(&rows, w_enc, b_enc, k)?;
        let whole = |row: usize| positive.range(row).len() >= k.min(w_enc.rows());
        if (0..positive.rows()).all(whole) {
            parts.push(positive);
            continue;
        }
        // Some token has fewer positive pre-activations, so all are needed.
        let all = encode_above(&rows, w_enc, b_enc, Bar::All(f32::NEG_INFINITY))?;
        parts.push(all.largest(k).without_zeros());
    }
    Ok(Latents::joined(&parts))
}

/// Computes the latents of [`encode_topk`] faster if each of `guesses [n]` (≥ 0) lies a little below the row's `k`-th largest pre-activation, since smaller
/// entries are dropped at once. A row in which fewer than `k` entries exceed the guess is encoded again without it.
pub fn encode_topk_guessing(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    (k, guesses): (usize, &[f32]),
    product: Product,
) -> Result<Latents> {
    let features = checked("encode_topk_guessing", centred, w_enc, b_enc)?;
    Dims::new("encode_topk_guessing")
        .bind("centred", centred, "n d")?
        .bind("guesses", guesses, "n")?;
    let selection = (k, Some(guesses));
    let screen = Screen::new(features, product);
    joined(cpu::topk(
        Form::fastest(),
        centred,
        screen.on(features),
        selection,
    ))
}

/// Keeps the `k` pre-activations of largest magnitude of each token, with their signs; zeros are left out.
pub fn encode_abs_topk(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    k: usize,
) -> Result<Latents> {
    let operands = (centred, w_enc, b_enc);
    encode("encode_abs_topk", operands, Kept::Strongest(k))
}

/// Inputs of a ranking by gradient.
#[derive(Debug, Clone, Copy)]
pub struct Ranking<'a> {
    /// Gradients of the model's loss with respect to the activations, `[n, d]`.
    pub gradients: &'a Matrix,
    /// Directions along which the gradient is taken, `[f, d]`.
    pub w_dec: &'a Matrix,
    /// Weight of |g|, ≥ 0; with 0 the result is that of [`encode_topk`] bit for bit.
    pub beta: f32,
}

/// Keeps the `k` largest scores of each token (Olmo et al. 2024, Figure 1); returns their pre-activations as latents, and the scores, `[nnz]`.
pub fn encode_scored(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    k: usize,
    ranking: Ranking<'_>,
) -> Result<(Latents, Vec<f32>)> {
    let features = checked("encode_scored", centred, w_enc, b_enc)?;
    check_ranking(centred, w_enc, ranking)?;
    scored_by(Form::fastest(), centred, features, (k, ranking))
}

fn check_ranking(centred: &Matrix, w_enc: &Matrix, ranking: Ranking<'_>) -> Result<()> {
    Dims::new("encode_scored")
        .bind("centred", centred, "n d")?
        .bind("gradients", ranking.gradients, "n d")?
        .bind("w_enc", w_enc, "f d")?
        .bind("w_dec", ranking.w_dec, "f d")?;
    check_beta(ranking.beta)
}

fn check_beta(beta: f32) -> Result<()> {
    if beta.is_finite() && beta >= 0.0 {
        return Ok(());
    }
    Err(Error::Numeric {
        what: format!("β is {beta}: look for NaN or infinity in the gradients"),
    })
}

fn scored_by(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    (k, ranking): (usize, Ranking<'_>),
) -> Result<(Latents, Vec<f32>)> {
    let chunks = cpu::scored(form, centred, features, (k, ranking));
    let chunks = chunks
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .map_err(not_finite)?;
    let (latents, scores): (Vec<_>, Vec<_>) = chunks.into_iter().unzip();
    Ok((Latents::joined(&latents), scores.concat()))
}

/// Keeps every entry above its bar; acts are the pre-activations, of either sign.
pub fn encode_above(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    bar: Bar<'_>,
) -> Result<Latents> {
    if let Bar::ByFeature(bars) = bar {
        Dims::new("encode_above")
            .bind("w_enc", w_enc, "f d")?
            .bind("bars", bars, "f")?;
    }
    let operands = (centred, w_enc, b_enc);
    encode("encode_above", operands, Kept::Above(bar))
}

/// Keeps the `budget` largest positive entries of the whole table (BatchTopK, Mutual Choice) and returns the least of them if there were as many. `guess` ≥ 0
/// is a value that more than `budget` entries should exceed; it changes the time, never the result.
pub fn encode_budget(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    (budget, guess): (usize, f32),
    product: Product,
) -> Result<(Latents, Option<f32>)> {
    let features = checked("encode_budget", centred, w_enc, b_enc)?;
    let screen = Screen::new(features, product);
    let features = screen.on(features);
    cpu::budget(Form::fastest(), centred, features, (budget, guess)).map_err(not_finite)
}

/// Keeps the `budgets[f]` largest positive entries of each column (Feature Choice).
pub fn encode_by_feature(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    budgets: &[u32],
    product: Product,
) -> Result<Latents> {
    let features = checked("encode_by_feature", centred, w_enc, b_enc)?;
    Dims::new("encode_by_feature")
        .bind("w_enc", w_enc, "f d")?
        .bind_len("budgets", budgets.len(), "f")?;
    let screen = Screen::new(features, product);
    let features = screen.on(features);
    cpu::by_feature(Form::fastest(), centred, features, budgets).map_err(not_finite)
}

fn checked<'a>(
    op: &'static str,
    centred: &Matrix,
    w_enc: &'a Matrix,
    b_enc: &'a [f32],
) -> Result<Features<'a>> {
    Dims::new(op)
        .bind("centred", centred, "n d")?
        .bind("w_enc", w_enc, "f d")?
        .bind("b_enc", b_enc, "f")?;
    Ok(Features::new(w_enc.values(), b_enc, w_enc.columns()))
}

/// Joins chunks of rows; the first entry that is not finite is an error.
fn joined(chunks: Vec<Result<Latents, NotFinite>>) -> Result<Latents> {
    let chunks = chunks.into_iter().collect::<Result<Vec<_>, _>>();
    Ok(Latents::joined(&chunks.map_err(not_finite)?))
}

fn not_finite((row, feature): NotFinite) -> Error {
    Error::Numeric {
        what: format!(
            "the pre-activation of token {row}, feature {feature} is not a finite number: look for NaN or infinity in the activations or in the encoder's weights"
        ),
    }
}

/// Returns the result of every form that this machine has.
#[cfg(test)]
pub(super) fn by_every_form(
    (centred, w_enc, b_enc): (&Matrix, &Matrix, &[f32]),
    selection: (usize, Option<&[f32]>),
) -> Vec<(String, Result<Latents>)> {
    Form::present()
        .into_iter()
        .map(|form| {
            let features = checked("encode_topk", centred, w_enc, b_enc).unwrap();
            let chunks = cpu::topk(form, centred, features, selection);
            (format!("{form:?}"), joined(chunks))
        })
        .collect()
}
