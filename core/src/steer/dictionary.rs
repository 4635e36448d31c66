//! Changes latents and decodes them, with the error kept, dropped, frozen or in part.
//!
//! Let x be a token's value in this run and x₀ its value in the run without edits. A dictionary that normalises each token reads x through the token's own
//! numbers: `read(x) = (x − μ(x)) · by(x)`, z = encode(read(x)), and writes `D(z; x) = back(x) · (Σ z·w_dec + b_dec) + μ(x)`. A code thus means something only
//! with the token it was read from: z′, the changed code of x, is decoded by the numbers of x in every mode, z₀ = encode(x₀) by those of x₀.
//!
//! | error     | value                                 |
//! |-----------|---------------------------------------|
//! | kept      | x + D(z′; x) − D(z; x)                |
//! | dropped   | D(z′; x)                              |
//! | frozen    | x₀ + D(z′; x) − D(z₀; x₀)             |
//! | linear    | D(z′; x) + linear part of x − D(z; x) |
//! | nonlinear | D(z′; x) + the rest of x − D(z; x)    |
//!
//! Kept and frozen decode both sides and add the difference, which is exact where nothing changes; adding the error to D would round. Without
//! normalisation, or with one scale for all tokens (folded into the weights), the numbers of every token are equal.

use candle_core::Tensor;

use super::apply::{Token, Value};
use super::edit::{DictionaryEdit, ErrorTerm, LatentChange};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::latents::Latents;
use crate::sae::{InputNorm, Sae};

/// Replaces `tokens` by the result of `edit`.
pub(super) fn apply(
    edit: &DictionaryEdit,
    value: &mut Value,
    tokens: &[Token],
    (hook, clean): (HookPoint, Option<&Tensor>),
) -> Result<()> {
    if tokens.is_empty() || (edit.changes.is_empty() && matches!(edit.error, ErrorTerm::Kept)) {
        return Ok(());
    }
    let (whole, sae) = (value.gathered(tokens)?, edit.sae()?);
    let x = sae.own_part(&whole)?.into_owned();
    let latents = sae.encode(&x)?;
    let edited = changed(&latents, &edit.changes);
    let made = match &edit.error {
        ErrorTerm::Kept => moved(&sae, (&x, &latents), (&x, &edited))?,
        ErrorTerm::Dropped => sae.decode(&edited, &x)?,
        ErrorTerm::Frozen => {
            let clean = clean.ok_or_else(|| {
                Error::hook(
                    hook,
                    "a frozen error needs the run without edits, which is missing",
                )
            })?;
            let before = Value::new(hook, clean)?.gathered(tokens)?;
            let before = sae.own_part(&before)?.into_owned();
            let latents = sae.encode(&before)?;
            moved(&sae, (&before, &latents), (&x, &edited))?
        }
        ErrorTerm::Linear(probe) => {
            let linear = probe.split(sae, &x)?.linear;
            sum(sae.decode(&edited, &x)?, &linear)
        }
        ErrorTerm::Nonlinear(probe) => {
            let nonlinear = probe.split(sae, &x)?.nonlinear;
            sum(sae.decode(&edited, &x)?, &nonlinear)
        }
    };
    let made = sae.put_back(&whole, made)?;
    value.scatter(tokens, &made);
    Ok(())
}

/// Computes `from + D(edited; read) − D(latents; from)`. Rows whose code and token are unchanged keep the bits of `from`.
fn moved(
    sae: &Sae,
    (from, latents): (&Matrix, &Latents),
    (read, edited): (&Matrix, &Latents),
) -> Result<Matrix> {
    let (before, after) = (sae.decode(latents, from)?, sae.decode(edited, read)?);
    let mut made = from.clone();
    for i in 0..made.rows() {
        let same_numbers = sae.input_norm == InputNorm::None || from.row(i) == read.row(i);
        if same_numbers && latents.row(i).eq(edited.row(i)) {
            continue;
        }
        let difference = after.row(i).iter().zip(before.row(i));
        for (made, (after, before)) in made.row_mut(i).iter_mut().zip(difference) {
            *made += after - before;
        }
    }
    Ok(made)
}

fn sum(mut a: Matrix, b: &Matrix) -> Matrix {
    for (a, b) in a.values_mut().iter_mut().zip(b.values()) {
        *a += b;
    }
    a
}

/// Applies the changes to the latents; an activation that becomes 0 is not active.
fn changed(latents: &Latents, changes: &[LatentChange]) -> Latents {
    let mut all = Latents::with_capacity(latents.rows(), changes.len() + 1);
    for i in 0..latents.rows() {
        let mut row: Vec<(FeatureId, f32)> = latents.row(i).collect();
        for change in changes {
            change_row(&mut row, *change);
        }
        row.retain(|(_, act)| *act != 0.0);
        let (features, acts): (Vec<u32>, Vec<f32>) = row
            .into_iter()
            .map(|(feature, act)| (feature.0, act))
            .unzip();
        all.push_row(&features, &acts);
    }
    all
}

/// Applies one change to `row`, which ascends by feature.
fn change_row(row: &mut Vec<(FeatureId, f32)>, change: LatentChange) {
    let (feature, x) = change.parts();
    let at = row.partition_point(|(other, _)| *other < feature);
    match row.get_mut(at).filter(|(other, _)| *other == feature) {
        Some((_, act)) => match change {
            LatentChange::Set(..) => *act = x,
            LatentChange::Add(..) => *act += x,
            LatentChange::Scale(..) => *act *= x,
        },
        None if !matches!(change, LatentChange::Scale(..)) => row.insert(at, (feature, x)),
        None => {}
    }
}
