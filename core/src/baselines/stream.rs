//! Activations for a fit, read from a model in a few rows at a time.

use super::sums::Sums;
use super::{Fitted, Kind, Spec, iterated, streamed};
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Rows read at a time.
pub(super) const ROWS_AT_ONCE: usize = 32;

/// Creates the sums that `kind` needs.
pub(super) fn sums_for(kind: Kind, width: usize) -> Sums {
    match kind {
        Kind::Pca => Sums::new(width),
        _ => Sums::of_means(width),
    }
}

/// Fits a baseline on the activations of `model` at `hook`, at the positions of `rows` that count. PCA and random directions read all rows and hold sums alone; the
/// others hold the activations of evenly spaced rows, about [`Spec::held`] of them. `observe` hears of rows read, then of rounds.
pub fn fit_at(
    spec: &Spec,
    model: &Model,
    (rows, hook): (&Rows, HookPoint),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Fitted>> {
    let width = model.width(hook)?;
    spec.check(width, rows.counted())?;
    if spec.kind.is_streamed() {
        let mut sums = sums_for(spec.kind, width);
        let ended = each(model, (rows, hook), observe, &mut |x| sums.add(&[&x]))?;
        if ended.is_stopped() {
            return Ok(Ended::STOPPED);
        }
        return streamed(spec, &sums).map(Ended::Done);
    }
    let held = spec.held(width);
    let rows = &rows.sample(held);
    let mut values = Vec::with_capacity(rows.counted().min(held) * width);
    let ended = each(model, (rows, hook), observe, &mut |x| {
        values.extend_from_slice(x.values());
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let n = (values.len() / width.max(1)).min(held);
    values.truncate(n * width);
    let x = Matrix::new(n, width, values)?;
    super::check_finite(spec.kind, &x)?;
    spec.check(width, n)?;
    iterated(spec, &x, observe)
}

/// Figures of a dictionary on held-out text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// Σ‖x − x̂‖² / Σ‖x − mean x‖².
    pub fvu: f64,
    /// Mean number of active features per token.
    pub l0: f64,
    /// Number of tokens.
    pub tokens: u64,
}

/// Measures how much of the variance at its hook `sae` leaves, over the positions of `rows` that count. `observe` hears of rows.
pub fn held_out(
    sae: &Sae,
    model: &Model,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<HeldOut>> {
    let mut means = Sums::of_means(sae.width());
    let (mut rest, mut spread, mut active) = (0.0, 0.0, 0);
    let ended = each(model, (rows, sae.hook()?), observe, &mut |x| {
        means.add(&[&x])?;
        let latents = sae.encode(&x)?;
        let back = sae.decode(&latents, &x)?;
        active += latents.acts.len();
        rest += squares(x.values().iter().zip(back.values()));
        let about = x.iter_rows().map(|x| squares(x.iter().zip(&sae.b_dec)));
        spread += about.sum::<f64>();
        Ok(())
    })?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    let tokens = means.tokens();
    let n = tokens as f64;
    let off = means.mean().into_iter().zip(&sae.b_dec);
    let off: f64 = off.map(|(mean, b)| (mean - f64::from(*b)).powi(2)).sum();
    let variance = spread - n * off;
    if tokens < 2 || variance <= 0.0 {
        let what = "the activations do not vary on it: give more text";
        return Err(Error::setting("held-out text", what));
    }
    Ok(Ended::Done(HeldOut {
        fvu: rest / variance,
        l0: active as f64 / n,
        tokens,
    }))
}

fn squares<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>) -> f64 {
    pairs
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum()
}

/// Gives `take` the activations `[n, d]` at the positions that count, a few rows at a time.
fn each(
    model: &Model,
    (rows, hook): (&Rows, HookPoint),
    observe: &mut dyn FnMut(Progress) -> Flow,
    take: &mut dyn FnMut(Matrix) -> Result<()>,
) -> Result<Ended<()>> {
    for start in (0..rows.len()).step_by(ROWS_AT_ONCE) {
        let chunk: Vec<usize> = (start..rows.len().min(start + ROWS_AT_ONCE)).collect();
        let whole = capture::activations(model, rows, &chunk, hook)?;
        take(rows.kept(&chunk, &whole))?;
        let done = start + chunk.len();
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(()))
}
